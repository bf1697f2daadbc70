//! The machines in pairs, against the tables and figures of RFC 3261 §17 and RFC 6026.

use crate::sip::message::Method;

use super::pair::{End, Pair};

fn told(pair: &Pair) -> Vec<&str> {
    pair.told.iter().map(|(_, what)| what.as_str()).collect()
}

#[test]
fn an_unanswered_request_is_sent_again_as_the_timers_say() {
    let (invite, other) = (Method::Invite, Method::Options);
    for (method, is_reliable, times) in [
        (&invite, false, &[0, 500, 1500, 3500, 7500, 15_500, 31_500][..]),
        (&other, false, &[0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]),
        (&invite, true, &[0]),
        (&other, true, &[0]),
    ] {
        let mut pair = Pair::begin(method, is_reliable, &[], |_| true);
        pair.run_until(200_000);
        assert_eq!(pair.times(End::Client, method.as_str()), times, "{method} {is_reliable}");
        assert_eq!(pair.told, [(32_000, "Timeout".to_owned())]);
        assert!(pair.client.is_none());
    }
}

#[test]
fn a_request_in_proceeding_is_sent_again_every_t2() {
    let mut pair = Pair::begin(&Method::Options, false, &[(0, 183)], |_| false);
    pair.run_until(200_000);
    assert_eq!(
        pair.times(End::Client, "OPTIONS"),
        [0, 500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500],
        "E has fired once at T1 before it is T2"
    );
    assert_eq!(pair.told.last().map(|(at, what)| (*at, what.as_str())), Some((32_000, "Timeout")));
}

#[test]
fn an_answered_request_lives_on_until_no_copy_can_come() {
    let mut pair = Pair::begin(&Method::Options, false, &[(0, 200)], |_| false);
    pair.run_until(20);
    assert!(pair.client.is_none(), "what comes again is a stray");
    pair.run_until(32_009);
    assert!(pair.server.is_some(), "timer J");
    pair.run_until(32_010);
    assert!(pair.server.is_none());
    assert_eq!((told(&pair), pair.sent.len()), (vec!["200"], 2));
}

#[test]
fn over_a_reliable_transport_an_answered_request_ends_at_once() {
    let mut pair = Pair::begin(&Method::Message, true, &[(0, 202)], |_| false);
    pair.run_until(20);
    assert!(pair.client.is_none() && pair.server.is_none());
    let mut pair = Pair::begin(&Method::Invite, true, &[(0, 486)], |_| false);
    pair.run_until(30);
    assert!(pair.client.is_none() && pair.server.is_none());
    assert_eq!(pair.times(End::Client, "ACK"), [20]);
}

#[test]
fn a_lost_response_is_sent_again_when_the_request_comes_again() {
    let mut pair = Pair::begin(&Method::Register, false, &[(0, 200)], |number| number == 1);
    pair.run_until(1_000);
    assert_eq!(pair.times(End::Server, "200"), [10, 510]);
    assert_eq!((pair.told.clone(), pair.requests), (vec![(520, "200".to_owned())], 1));
}

#[test]
fn an_invite_gets_a_100_in_time_unless_it_is_answered_before() {
    let mut pair = Pair::begin(&Method::Invite, false, &[(1000, 180)], |_| false);
    pair.run_until(2_000);
    assert_eq!((pair.times(End::Server, "100"), told(&pair)), (vec![210], vec!["100", "180"]));
    let mut pair = Pair::begin(&Method::Invite, false, &[(100, 180)], |_| false);
    pair.run_until(2_000);
    assert_eq!((pair.times(End::Server, "100"), told(&pair)), (vec![], vec!["180"]));
}

#[test]
fn a_refusal_of_an_invite_with_a_false_source_is_sent_once() {
    // The client never hears of it, and never repeats what it did not send.
    let is_lost = |number| number > 0;
    let mut pair = Pair::begin(&Method::Invite, false, &[(0, 407)], is_lost);
    pair.run_until(40_000);
    assert_eq!(pair.times(End::Server, "407"), [10]);
    assert!(pair.server.is_none(), "timer H");
}

#[test]
fn a_lost_refusal_is_sent_again_when_the_invite_comes_again() {
    let mut pair = Pair::begin(&Method::Invite, false, &[(0, 486)], |number| number == 1);
    pair.run_until(3_000);
    assert_eq!(pair.times(End::Server, "486"), [10, 510]);
    assert_eq!((pair.times(End::Client, "ACK"), told(&pair)), (vec![520], vec!["486"]));
}

#[test]
fn a_refusal_after_a_provisional_is_sent_again_until_its_ack_comes() {
    // Of the server's 486 the first two get through, but not the ACKs for them.
    let script = [(0, 180), (0, 486)];
    let mut pair = Pair::begin(&Method::Invite, false, &script, |number| [3, 5].contains(&number));
    pair.run_until(3_000);
    assert_eq!(pair.times(End::Server, "486"), [10, 510, 1510]);
    assert_eq!(pair.times(End::Client, "ACK"), [20, 520, 1520]);
    assert_eq!(told(&pair), ["180", "486"]);
    pair.run_until(6_529);
    assert!(pair.server.is_some(), "timer I");
    pair.run_until(6_530);
    assert!(pair.server.is_none());
    pair.run_until(32_020);
    assert!(pair.client.is_none(), "timer D");
}

#[test]
fn a_refusal_without_ack_ends_with_timer_h() {
    let script = [(0, 180), (0, 404)];
    let mut pair = Pair::begin(&Method::Invite, false, &script, |number| number > 1);
    pair.run_until(32_009);
    assert_eq!(
        pair.times(End::Server, "404")[..11],
        [10, 510, 1510, 3510, 7510, 11_510, 15_510, 19_510, 23_510, 27_510, 31_510],
    );
    assert!(pair.server.is_some());
    pair.run_until(32_010);
    assert!(pair.server.is_none());
}

#[test]
fn each_2xx_of_an_invite_is_passed_on_while_it_is_accepted() {
    let mut pair =
        Pair::begin(&Method::Invite, false, &[(0, 180), (100, 200), (600, 200), (40_000, 200)], |_| false);
    pair.run_until(32_119);
    assert_eq!(told(&pair), ["180", "200", "200"]);
    assert!(pair.client.is_some(), "timer M");
    pair.run_until(32_120);
    assert!(pair.client.is_none());
    assert!(pair.server.is_none(), "timer L");
    pair.run_until(60_000);
    assert_eq!(pair.times(End::Server, "200").len(), 2, "the last came too late");
    assert!(pair.times(End::Client, "ACK").is_empty(), "the ACK of a 2xx is the user's");
}

#[test]
fn an_invite_that_comes_again_after_a_2xx_is_absorbed() {
    // The 200 is lost, so the INVITE is sent again; sending the 200 again is its user's (RFC 6026 §7.1).
    let mut pair = Pair::begin(&Method::Invite, false, &[(0, 200)], |number| number == 1);
    pair.run_until(5_000);
    assert_eq!((pair.times(End::Server, "200"), pair.requests), (vec![10], 1));
}

#[test]
fn a_cancel_waits_for_a_provisional_response() {
    let mut pair = Pair::begin(&Method::Invite, false, &[(300, 180)], |number| number < 2);
    pair.cancel();
    pair.run_until(1_500);
    assert_eq!(pair.cancels, 0, "nothing has come back");
    pair.cancel();
    pair.run_until(3_000);
    assert_eq!(pair.cancels, 1);
    pair.cancel();
    assert_eq!(pair.cancels, 1, "one is enough");
}

#[test]
fn a_cancelled_invite_without_final_response_is_given_up() {
    let mut pair = Pair::begin(&Method::Invite, false, &[(0, 180)], |_| false);
    pair.run_until(1_000);
    pair.cancel();
    pair.run_until(40_000);
    assert_eq!(pair.told.last(), Some(&(33_000, "Timeout".to_owned())));
    assert!(pair.client.is_none());
}

#[test]
fn an_invite_that_only_rings_is_cancelled_by_timer_c() {
    let mut pair = Pair::begin(&Method::Invite, true, &[(0, 180), (100_000, 183)], |_| false);
    pair.run_until(285_019);
    assert_eq!(pair.cancels, 0, "the 183 has put it off");
    pair.run_until(285_020);
    assert_eq!(pair.cancels, 1);
}

#[test]
fn on_a_network_that_loses_a_quarter_everything_still_happens_once() {
    for seed in 0..300_u64 {
        for (method, status) in [(Method::Message, 202), (Method::Invite, 486)] {
            // A small generator is enough; what counts is that a failure can be repeated.
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let is_lost = move |_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % 4 == 0
            };
            let mut pair = Pair::begin(&method, false, &[(700, status)], is_lost);
            pair.run_until(120_000);
            assert_eq!(pair.requests, 1, "{method} {seed}");
            let finals = told(&pair).into_iter().filter(|what| *what != "100").collect::<Vec<_>>();
            assert_eq!(finals, [status.to_string()], "{method} {seed}");
            assert!(pair.client.is_none() && pair.server.is_none(), "{method} {seed}");
        }
    }
}
