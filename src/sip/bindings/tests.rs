use super::*;
use crate::{
    signal::Address,
    sip::{
        asked::{Outbound, apply_outbound},
        message::Message,
    },
};

/// A REGISTER with these Call-ID, CSeq and further lines.
fn asked(call_id: &str, cseq: u32, lines: &str) -> Result<Asked, Refusal> {
    let text = format!(
        "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@example.org>;tag=1\r\n\
         To: <sip:a@example.org>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}\r\n"
    );
    Asked::read(
        &Message::parse_datagram(text.into(), &Default::default()).expect("a message"),
        Outbound::Honoured,
    )
}

/// Plans and applies one REGISTER; devices are numbered as they come.
fn register(
    record: &mut Record<u32>,
    call_id: &str,
    cseq: u32,
    lines: &str,
    now: Instant,
) -> Result<(), u16> {
    let asked = asked(call_id, cseq, lines).map_err(|refusal| refusal.status)?;
    let plan = record.plan(&asked, &Config::default()).map_err(|refusal| refusal.status)?;
    let first = record.bindings.iter().map(|binding| binding.device + 1).max().unwrap_or(1);
    let added = (first..).take(plan.steps.len()).collect();
    record.apply(plan, &asked, added, now).expect("nothing came between");
    Ok(())
}

/// What a list of the bindings says.
fn listed(record: &Record<u32>, now: Instant) -> Vec<String> {
    record.bindings.iter().map(|binding| format!("{} {}", binding.device, binding.print(now))).collect()
}

/// Call-ID, CSeq number, headers, what is answered, and what is listed afterwards.
type Step<'a> = (&'a str, u32, &'a str, Result<(), u16>, &'a [&'a str]);

#[tokio::test(start_paused = true)]
async fn bindings_follow_the_rfc() {
    let now = Instant::now();
    let mut record = Record::default();
    let steps: [Step<'_>; 14] = [
        ("c1", 1, "Contact: <sip:a@h1>\r\nExpires: 600\r\n", Ok(()), &["1 <sip:a@h1>;expires=600"]),
        (
            "c2",
            1,
            "Contact: <sip:a@h2>;q=0.5;expires=100000\r\nExpires: 600\r\n",
            Ok(()),
            &["1 <sip:a@h1>;expires=600", "2 <sip:a@h2>;q=0.500;expires=7200"],
        ),
        // A fetch changes nothing.
        ("c3", 1, "", Ok(()), &["1 <sip:a@h1>;expires=600", "2 <sip:a@h2>;q=0.500;expires=7200"]),
        // Too brief: nothing of the request is done.
        (
            "c1",
            2,
            "Contact: <sip:a@h1>;expires=0, <sip:a@h3>;expires=5\r\n",
            Err(423),
            &["1 <sip:a@h1>;expires=600", "2 <sip:a@h2>;q=0.500;expires=7200"],
        ),
        // Out of order.
        (
            "c1",
            1,
            "Contact: <sip:a@h1>;expires=60\r\n",
            Err(500),
            &["1 <sip:a@h1>;expires=600", "2 <sip:a@h2>;q=0.500;expires=7200"],
        ),
        // The default, and equivalence of URIs.
        (
            "c1",
            2,
            "Contact: <sip:%61@H1>\r\n",
            Ok(()),
            &["1 <sip:%61@H1>;expires=3600", "2 <sip:a@h2>;q=0.500;expires=7200"],
        ),
        // Another call may change it with any number.
        ("c9", 1, "Contact: <sip:a@h2>;expires=0\r\n", Ok(()), &["1 <sip:%61@H1>;expires=3600"]),
        // What is not there is removed without complaint.
        ("c9", 2, "Contact: <sip:a@h7>;expires=0\r\n", Ok(()), &["1 <sip:%61@H1>;expires=3600"]),
        ("c9", 3, "Contact: *\r\nExpires: 60\r\n", Err(400), &["1 <sip:%61@H1>;expires=3600"]),
        ("c1", 2, "Contact: *\r\nExpires: 0\r\n", Err(500), &["1 <sip:%61@H1>;expires=3600"]),
        ("c1", 3, "Contact: *\r\nExpires: 0\r\n", Ok(()), &[]),
        (
            "c4",
            1,
            "Contact: <sip:a@h4:1>;+sip.instance=\"<urn:x>\"\r\n",
            Ok(()),
            &["1 <sip:a@h4:1>;+sip.instance=\"<urn:x>\";expires=3600"],
        ),
        // The same instance from another port is the same phone.
        (
            "c5",
            1,
            "Contact: <sip:a@h4:2>;+sip.instance=\"<urn:x>\"\r\n",
            Ok(()),
            &["1 <sip:a@h4:2>;+sip.instance=\"<urn:x>\";expires=3600"],
        ),
        (
            "c6",
            1,
            "Contact: <sip:a@h5>, <sip:a@h5>\r\n",
            Err(400),
            &["1 <sip:a@h4:2>;+sip.instance=\"<urn:x>\";expires=3600"],
        ),
    ];
    for (number, (call_id, cseq, lines, outcome, expect)) in steps.into_iter().enumerate() {
        assert_eq!(register(&mut record, call_id, cseq, lines, now), outcome, "step {number}");
        assert_eq!(listed(&record, now), expect, "step {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn plan_made_before_another_change_is_not_applied() {
    let now = Instant::now();
    let mut record = Record::default();
    let early = asked("c1", 1, "Contact: <sip:a@h1>\r\n").unwrap();
    let plan = record.plan(&early, &Config::default()).unwrap();
    register(&mut record, "c2", 1, "Contact: <sip:a@h2>\r\n", now).unwrap();
    assert!(record.apply(plan, &early, vec![9], now).is_none());
    assert_eq!(listed(&record, now), ["1 <sip:a@h2>;expires=3600"]);
}

#[tokio::test(start_paused = true)]
async fn account_has_so_many_phones_and_no_more() {
    let now = Instant::now();
    let mut record = Record::default();
    for number in 0..Config::default().devices {
        register(&mut record, &format!("c{number}"), 1, &format!("Contact: <sip:a@h{number}>\r\n"), now)
            .unwrap();
    }
    assert_eq!(register(&mut record, "x", 1, "Contact: <sip:a@x>\r\n", now), Err(403));
    assert_eq!(register(&mut record, "y", 1, "Contact: <sip:a@h0>\r\n", now), Ok(()));
}

/// One contact of the instance `urn:x`, with these parameters.
fn flow(host: &str, parameters: &str) -> String {
    format!("Contact: <sip:a@{host}>;+sip.instance=\"<urn:x>\"{parameters}\r\n")
}

#[tokio::test(start_paused = true)]
async fn flows_of_an_instance_lead_to_one_phone() {
    let now = Instant::now();
    let mut record = Record::default();
    let instance = ";+sip.instance=\"<urn:x>\"";
    for (number, (lines, expect)) in [
        (flow("h1", ";reg-id=1"), vec!["1 <sip:a@h1>;reg-id=1"]),
        (flow("h2", ";reg-id=2"), vec!["1 <sip:a@h1>;reg-id=1", "1 <sip:a@h2>;reg-id=2"]),
        // The same flow from another place, whatever its contact was.
        (flow("h3", ";reg-id=1"), vec!["1 <sip:a@h3>;reg-id=1", "1 <sip:a@h2>;reg-id=2"]),
        (flow("h9", ";reg-id=2;expires=0"), vec!["1 <sip:a@h3>;reg-id=1"]),
        (flow("h2", ";reg-id=7"), vec!["1 <sip:a@h3>;reg-id=1", "1 <sip:a@h2>;reg-id=7"]),
        // Without a flow it is the whole phone.
        (flow("h4", ""), vec!["1 <sip:a@h4>"]),
        (flow("h5", ";reg-id=1"), vec!["1 <sip:a@h5>;reg-id=1"]),
        (flow("h6", ";reg-id=2"), vec!["1 <sip:a@h5>;reg-id=1", "1 <sip:a@h6>;reg-id=2"]),
        (
            "Contact: <sip:a@h7>;reg-id=3\r\n".to_owned(),
            vec!["1 <sip:a@h5>;reg-id=1", "1 <sip:a@h6>;reg-id=2", "2 <sip:a@h7>"],
        ),
        (flow("h8", ";expires=0"), vec!["2 <sip:a@h7>"]),
    ]
    .into_iter()
    .enumerate()
    {
        register(&mut record, &format!("c{number}"), 1, &lines, now).unwrap();
        let listed = listed(&record, now).into_iter();
        let listed: Vec<_> =
            listed.map(|line| line.replace(instance, "").replace(";expires=3600", "")).collect();
        assert_eq!(listed, expect, "{lines}");
    }
}

#[tokio::test(start_paused = true)]
async fn phone_is_gone_with_its_last_flow_only() {
    let now = Instant::now();
    let mut record = Record::default();
    register(&mut record, "c", 1, &flow("h1", ";reg-id=1;expires=60"), now).unwrap();
    register(&mut record, "d", 1, &flow("h2", ";reg-id=2;expires=90"), now).unwrap();
    assert_eq!(record.expiry(|device| *device == 1), Some(now + Duration::from_secs(60)));
    let changes = record.remove(|binding| binding.expires <= now + Duration::from_secs(60));
    assert_eq!((changes.removed, changes.lost), (vec![], vec![(1, RegId::new(1))]));
    let changes = record.remove(|_| true);
    assert_eq!((changes.removed, changes.lost), (vec![1], vec![]));
    assert!(record.is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_call_id_is_told_for_the_flow_that_it_is_about() {
    let now = Instant::now();
    let mut record = Record::default();
    register(&mut record, "c", 1, &flow("h1", ";reg-id=1"), now).unwrap();
    for (call_id, lines, expect) in [
        ("c", flow("h1", ";reg-id=1"), false),
        ("d", flow("h2", ";reg-id=2"), false),
        ("e", flow("h1", ";reg-id=1"), true),
    ] {
        let asked = asked(call_id, 2, &lines).unwrap();
        let plan = record.plan(&asked, &Config::default()).unwrap();
        let changes = record.apply(plan, &asked, Vec::new(), now).unwrap();
        assert_eq!(changes.refreshed[0].is_new_call, expect, "{call_id} {lines}");
    }
}

#[test]
fn flows_are_refused_where_they_make_no_sense() {
    let two = "Contact: <sip:a@h>;+sip.instance=\"<urn:x>\";reg-id=1, <sip:b@h>\r\n";
    assert_eq!(asked("c", 1, two).unwrap_err().status, 400);
    let one = "Contact: <sip:a@h>;+sip.instance=\"<urn:x>\";reg-id=1, <sip:b@h>;expires=0\r\n";
    assert!(asked("c", 1, one).unwrap().has_flow());
    let read = |outbound| {
        let contact = NameAddr::parse("<sip:a@h>;+sip.instance=\"<urn:x>\";reg-id=1").unwrap();
        apply_outbound(vec![Contact::read(contact, None)], outbound).map_err(|refusal| refusal.status)
    };
    assert_eq!(read(Outbound::Lacking).unwrap_err(), 439);
    assert_eq!(read(Outbound::Ignored).unwrap()[0].reg_id, None);
}

#[test]
fn phone_is_not_registered_by_a_name_of_its_account() {
    let account = Address::parse("a@example.org").unwrap();
    for (contact, expect) in [
        ("<sip:a@192.0.2.1>;+sip.instance=\"<urn:x>\"", Ok(())),
        ("<sip:a@example.org>;+sip.instance=\"<urn:x>\"", Err(403)),
        ("<sip:a@example.org;gr=urn:x>;+sip.instance=\"<urn:x>\"", Err(403)),
        ("<sip:tgruu.1@example.org;gr>;+sip.instance=\"<urn:x>\"", Err(403)),
        ("<tel:+49>;+sip.instance=\"<urn:x>\"", Err(403)),
        ("<sip:a@example.org>", Ok(())),
    ] {
        let asked = asked("c", 1, &format!("Contact: {contact}\r\n")).unwrap();
        assert_eq!(asked.check_contacts(&account).map_err(|refusal| refusal.status), expect, "{contact}");
    }
}
