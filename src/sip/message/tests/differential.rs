//! rsip as an oracle on clean messages, in the style of RFC 3665.

use rsip::{
    headers::UntypedHeader,
    message::{HasHeaders, HeadersExt},
    prelude::ToTypedHeader,
};

use super::*;

const CLEAN: [&str; 3] = [
    "REGISTER sip:ss2.biloxi.example.com SIP/2.0\nVia: SIP/2.0/TLS client.biloxi.example.com:5061;branch=z9hG4bKnashds7\n\
     Max-Forwards: 70\nFrom: Bob <sips:bob@biloxi.example.com>;tag=a73kszlfl\nTo: Bob <sips:bob@biloxi.example.com>\n\
     Call-ID: 1j9FpLxk3uxtm8tn@biloxi.example.com\nCSeq: 1 REGISTER\nContact: <sips:bob@client.biloxi.example.com>\n\
     Content-Length: 0\n\n",
    "INVITE sip:bob@biloxi.example.com SIP/2.0\nVia: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9\n\
     Max-Forwards: 70\nFrom: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\n\
     To: Bob <sip:bob@biloxi.example.com>\nCall-ID: 3848276298220188511@atlanta.example.com\nCSeq: 1 INVITE\n\
     Contact: <sip:alice@client.atlanta.example.com;transport=tcp>\nContent-Type: application/sdp\n\
     Content-Length: 5\n\nv=0\n",
    "SIP/2.0 180 Ringing\nVia: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9;received=192.0.2.101\n\
     From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\nTo: Bob <sip:bob@biloxi.example.com>;tag=8321234356\n\
     Call-ID: 3848276298220188511@atlanta.example.com\nCSeq: 1 INVITE\n\
     Contact: <sip:bob@client.biloxi.example.com;transport=tcp>\nContent-Length: 0\n\n",
];

#[test]
fn both_parsers_see_the_same_in_clean_messages() {
    for text in CLEAN {
        let ours = parse(text).expect(text);
        let theirs = rsip::SipMessage::try_from(&ours.bytes()[..]).expect("a clean message");
        assert_eq!(ours.fields().count(), theirs.headers().iter().count());
        assert_eq!(ours.call_id(), Ok(theirs.call_id_header().unwrap().value()));
        let cseq = theirs.cseq_header().unwrap().typed().unwrap();
        assert_eq!(ours.cseq().unwrap().to_string(), format!("{} {}", cseq.seq, cseq.method));
        let via = theirs.via_header().unwrap().typed().unwrap();
        assert_eq!(ours.top_via().unwrap().branch(), via.branch().map(|branch| branch.value()));
        for (ours, display, uri) in [
            (
                ours.from().unwrap(),
                theirs.from_header().unwrap().typed().unwrap().display_name,
                theirs.from_header().unwrap().typed().unwrap().uri,
            ),
            (
                ours.to().unwrap(),
                theirs.to_header().unwrap().typed().unwrap().display_name,
                theirs.to_header().unwrap().typed().unwrap().uri,
            ),
        ] {
            assert_eq!(ours.display.as_deref(), display.as_deref().map(str::trim));
            assert_eq!(ours.uri.as_str(), uri.to_string());
            assert_eq!(ours.uri.host().map(ToString::to_string), Some(uri.host().to_string()));
        }
        assert_eq!(&ours.body()[..], theirs.body());
    }
}
