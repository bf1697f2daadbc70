use super::*;

/// A REGISTER with these Call-ID, CSeq and further lines.
fn asked(call_id: &str, cseq: u32, lines: &str) -> Result<Asked, Refusal> {
    let text = format!(
        "REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@example.org>;tag=1\r\n\
         To: <sip:a@example.org>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{lines}\r\n"
    );
    Asked::read(&Message::parse_datagram(text.into(), &Default::default()).expect("a message"))
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
            "Contact: <sip:a@h4:2>;+sip.instance=\"<urn:x>\";reg-id=1\r\n",
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
