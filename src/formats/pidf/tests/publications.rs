//! Random sessions and what they publish: documents of every kind that is accepted, with extensions that
//! are right, wrong and hostile.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

/// What one session says.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Its availability, from 0 for the weakest to 4; of no meaning for those that publish.
    pub(crate) state: usize,
    /// Seconds after a fixed moment.
    pub(crate) since: i64,
    pub(crate) is_on_the_phone: bool,
    pub(crate) note: Option<String>,
    pub(crate) contact: Option<String>,
    /// The document it published.
    pub(crate) document: Option<String>,
}

/// The sessions of one account, each another one.
pub(crate) fn sessions() -> impl Strategy<Value = Vec<Said>> {
    vec(said(), 0..5)
}

fn said() -> impl Strategy<Value = Said> {
    let note = proptest::option::of("[a-z<&\"'\u{1}ü ]{1,8}");
    let contact = proptest::option::of(select(CONTACTS).prop_map(str::to_owned));
    let document = proptest::option::weighted(0.8, document());
    (0..5_usize, 0..1000_i64, proptest::bool::weighted(0.15), note, contact, document).prop_map(
        |(state, since, is_on_the_phone, note, contact, document)| Said {
            state,
            since,
            is_on_the_phone,
            note,
            contact,
            document,
        },
    )
}

/// A document that a client might publish.
pub(crate) fn document() -> impl Strategy<Value = String> {
    let parts = (vec(tuple(), 1..4), vec(person(), 0..3), vec(device(), 0..3), vec(select(EXTENSIONS), 0..2));
    (parts, proptest::bool::ANY, proptest::bool::weighted(0.1), vec(any::<Index>(), 4)).prop_map(
        |((tuples, persons, devices, others), is_person_first, is_old, picks)| {
            let mut ids = IDS.to_vec();
            let tuples: Vec<String> = tuples
                .iter()
                .zip(&picks)
                .map(|(tuple, pick)| tuple.replace("@@", &escaped(ids.remove(pick.index(ids.len())))))
                .collect();
            let (tuples, persons) = (tuples.concat(), persons.concat() + &devices.concat());
            let children = if is_person_first { persons + &tuples } else { tuples + &persons };
            let space = if is_old { "urn:ietf:params:xml:ns:cpim-pidf" } else { "urn:ietf:params:xml:ns:pidf" };
            format!(
                "<presence xmlns='{space}' {NAMESPACES} entity='sip:a@b'>{children}<note>of all</note>{}</presence>",
                others.concat()
            )
        },
    )
}

/// A document that lost some bytes and got others.
pub(crate) fn mutilated() -> impl Strategy<Value = Vec<u8>> {
    (document(), vec((any::<Index>(), "[ -~]{0,2}"), 1..4)).prop_map(|(text, cuts)| {
        let mut bytes = text.into_bytes();
        for (at, with) in cuts {
            let at = at.index(bytes.len());
            bytes.splice(at..=at, with.into_bytes());
        }
        bytes
    })
}

fn tuple() -> impl Strategy<Value = String> {
    (
        select(STATUSES),
        vec(select(EXTENSIONS), 0..4),
        proptest::option::of(select(CONTACTS)),
        vec(select(NOTES), 0..2),
        proptest::option::of(select(TIMES)),
    )
        .prop_map(|(status, extensions, contact, notes, time)| {
            let contact = contact.map_or_else(String::new, |uri| {
                format!("<contact priority='0.8'>{}</contact>", escaped(uri))
            });
            let time = time.map_or_else(String::new, |time| format!("<timestamp>{time}</timestamp>"));
            let (extensions, notes) = (extensions.concat(), notes.concat());
            // In an order that the schema does not have.
            format!("<tuple id='@@'>{notes}<status>{status}</status>{contact}{extensions}{time}</tuple>")
        })
}

fn person() -> impl Strategy<Value = String> {
    (select(IDS), vec(select(EXTENSIONS), 0..5), proptest::option::of(select(TIMES))).prop_map(
        |(id, extensions, time)| {
            let time = time.map_or_else(String::new, |time| format!("<d:timestamp>{time}</d:timestamp>"));
            format!("<d:person id='{}'>{time}{}</d:person>", escaped(id), extensions.concat())
        },
    )
}

fn device() -> impl Strategy<Value = String> {
    let device_ids = &["urn:uuid:1", "urn:uuid:2", "mac:1 2", "", "1:2"][..];
    (select(IDS), select(device_ids), vec(select(EXTENSIONS), 0..2), select(TIMES)).prop_map(
        |(id, device_id, extensions, time)| {
            format!(
                "<d:device id='{}'>{}<d:deviceID>{device_id}</d:deviceID><d:note>x</d:note>\
                 <d:timestamp>{time}</d:timestamp></d:device>",
                escaped(id),
                extensions.concat()
            )
        },
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}

/// Declares the prefixes of all that is here.
pub(crate) const NAMESPACES: &str = "xmlns:d='urn:ietf:params:xml:ns:pidf:data-model' \
    xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' xmlns:a='urn:ag-projects:xml:ns:pidf' \
    xmlns:c='urn:ietf:params:xml:ns:pidf:cipid' xmlns:k='urn:ietf:params:xml:ns:pidf:caps' \
    xmlns:p='urn:ietf:params:xml:ns:pidf' xmlns:x='urn:x' xmlns:i='http://www.w3.org/2001/XMLSchema-instance'";

const IDS: &[&str] = &["t1", "t2", "SID-a", "PERSON", "1 bad", "ü", "m1", "ID-r0", "a<'&b"];

const CONTACTS: &[&str] = &[
    "sip:a@b",
    "sip%3Aa%40b%3Bgr%3Durn%3Auuid%3A1",
    "sip:a@[::1]:5060",
    "tel:+1",
    "not a uri",
    "1:b",
    "sip:<&'>@b",
];

const NOTES: &[&str] =
    &["<note xml:lang='en'>in a meeting</note>", "<note xml:lang='not_one'>da</note>", "<note>  </note>"];

const TIMES: &[&str] = &[
    "2026-11-20T12:13:39.184449+00:00",
    "2026-11-20t12:13:40z",
    "2099-01-01T00:00:00Z",
    "2026-11-20 12:13:41Z",
    "2026-11-20T12:13:60Z",
    "yesterday",
];

const STATUSES: &[&str] = &[
    "<basic>open</basic>",
    "<basic>closed</basic>",
    "<basic>unknown</basic>",
    "",
    "<basic>open</basic><a:extended>busy</a:extended>",
    "<basic>open</basic><a:extended>away</a:extended><x:y r:id='1'/>",
    "<a:extended>offline</a:extended>",
    "<a:extended> extended-away </a:extended><basic>open</basic>",
    "<basic>open</basic><a:extended>dreaming</a:extended>",
    "<basic>open</basic><show xmlns='jabber:client'>xa</show>",
];

/// Elements that somebody might put into a tuple, a person or a device.
pub(crate) const EXTENSIONS: &[&str] = &[
    "<r:activities id='m1'><r:note>n</r:note><r:meeting/><r:other>juggling</r:other></r:activities>",
    "<r:activities from='2026-01-01T00:00:00Z'><r:on-the-phone/><x:y/></r:activities>",
    "<r:activities><r:other>available</r:other></r:activities>",
    "<r:activities><r:unknown/></r:activities>",
    "<r:activities><r:dreaming/></r:activities>",
    "<r:activities> <r:busy> </r:busy> </r:activities>",
    "<r:activities from='some day'><r:away/></r:activities>",
    "<r:mood id='t1'><r:happy/></r:mood>",
    "<r:mood/>",
    "<r:mood id='m1'><r:note xml:lang='de'>na</r:note><r:sad/><x:so/><r:other>so</r:other></r:mood>",
    "<r:place-is><r:audio><r:noisy/></r:audio><r:text><r:ok/></r:text></r:place-is>",
    "<r:place-is><r:text><r:ok/></r:text><r:audio><r:noisy/></r:audio></r:place-is>",
    "<r:place-type><r:other>home</r:other></r:place-type>",
    "<r:place-type until='2026-01-01T00:00:00Z'><l:home xmlns:l='urn:ietf:params:xml:ns:location-type'/></r:place-type>",
    "<r:privacy id='m1'><r:audio/><r:video/></r:privacy>",
    "<r:privacy><r:video/><r:audio/></r:privacy>",
    "<r:relationship><r:family/></r:relationship>",
    "<r:relationship x='1'><r:family/></r:relationship>",
    "<r:service-class><r:electronic/></r:service-class>",
    "<r:sphere><r:work/></r:sphere>",
    "<r:sphere>work</r:sphere>",
    "<r:status-icon>http://example.org/i.png</r:status-icon>",
    "<r:status-icon>http://exa mple.org:x/</r:status-icon>",
    "<r:time-offset description='CET'>60</r:time-offset>",
    "<r:time-offset>1.5</r:time-offset>",
    "<r:user-input idle-threshold='600' last-input='2026-11-20T12:00:00Z'>idle</r:user-input>",
    "<r:user-input idle-threshold='0'> active </r:user-input>",
    "<r:user-input>\n active </r:user-input>",
    "<r:class>work</r:class>",
    "<r:unheard-of><r:mood/></r:unheard-of>",
    "<c:display-name>A <!-- b --> C</c:display-name>",
    "<c:icon>https%3A//example.org/%23i</c:icon>",
    "<c:map>::</c:map>",
    "<c:homepage xml:lang='en'>http://example.org</c:homepage>",
    "<k:servcaps><k:audio> true </k:audio><k:message>0</k:message><x:files>true</x:files></k:servcaps>",
    "<k:servcaps><k:message>true</k:message><k:audio>true</k:audio></k:servcaps>",
    "<k:servcaps><k:audio>yes</k:audio></k:servcaps>",
    "<k:servcaps><k:event-packages><k:supported><k:dialog/><k:presence/></k:supported></k:event-packages>\
     <k:priority><k:supported><k:range minvalue='1' maxvalue='2'/></k:supported></k:priority>\
     <k:schemes><k:supported><k:s>sip</k:s></k:supported></k:schemes></k:servcaps>",
    "<k:servcaps><k:methods><k:supported><k:BYE/><k:ACK/></k:supported></k:methods></k:servcaps>",
    "<k:devcaps><k:mobility><k:supported><k:mobile/></k:supported></k:mobility></k:devcaps>",
    "<a:device-info id='1 2'><a:description>host</a:description><a:time-offset>0.0</a:time-offset></a:device-info>",
    "<a:device-info><a:description>host</a:description></a:device-info>",
    "<a:extended>extended-away</a:extended>",
    "<d:deviceID>urn:uuid:1</d:deviceID>",
    "<d:deviceID>::</d:deviceID>",
    "<x:y b='&#10;&lt;&quot;' c='1' xml:lang='en' xml:id='t1'>text<x:z xmlns:x='urn:z' xml:id='t2'/>more</x:y>",
    "<x:y xml:lang='not_one'/>",
    "<x:y i:type='x:z' i:nil='true'/>",
    "<x:y p:mustUnderstand='perhaps'/>",
    "<x:y p:mustUnderstand='1'><z xmlns=''><x:w/></z></x:y>",
    "<x:y><p:presence/></x:y>",
    "<x:y><p:tuple><d:person/></p:tuple></x:y>",
    "<x:y><r:mood><r:dreaming/></r:mood></x:y>",
    "<y xmlns=''/>",
    "<y xmlns='not a uri'/>",
    "<x:y xmlns:j='^' j:k='v'><z xmlns='urn:ü'/></x:y>",
    "<y xmlns='jabber:client' xmlns:j='jabber:client' j:k='v'><z/></y>",
];
