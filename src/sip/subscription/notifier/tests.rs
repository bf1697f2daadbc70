use super::*;
use crate::sip::message::Params;

const SECOND: Duration = Duration::from_secs(1);

/// An accepted subscription of 100 seconds that was told nothing yet.
fn open(stand: WatchState, now: Instant) -> Notifier {
    let mut notifier = Notifier::new(SECOND, now);
    notifier.show(stand, now);
    assert_eq!(notifier.poll(now), None);
    notifier.accept(100 * SECOND, now);
    notifier
}

/// The same, told its first state and answered.
fn settled(stand: WatchState, now: Instant) -> Notifier {
    let mut notifier = open(stand, now);
    assert!(notifier.poll(now).is_some());
    notifier.handle_answer();
    notifier
}

fn state(notice: Option<Notice>) -> Option<(State, bool)> {
    notice.map(|notice| (notice.state, notice.has_content))
}

#[test]
fn first_state_is_told_at_once_and_a_pending_watcher_sees_nothing() {
    let now = Instant::now();
    let mut active = open(WatchState::Active, now);
    assert_eq!(state(active.poll(now)), Some((State::Active { expires: 100 }, true)));
    let mut pending = open(WatchState::Pending, now);
    assert_eq!(state(pending.poll(now)), Some((State::Pending { expires: 100 }, false)));
}

#[test]
fn changes_are_gathered_and_the_last_one_arrives() {
    let now = Instant::now();
    let mut notifier = open(WatchState::Active, now);
    assert!(notifier.poll(now).is_some());
    notifier.show(WatchState::Active, now);
    assert_eq!(notifier.poll(now), None, "the first one is unanswered");
    notifier.handle_answer();
    assert_eq!(notifier.poll(now), None, "too soon");
    assert_eq!(notifier.deadline(), Some(now + SECOND));
    notifier.show(WatchState::Active, now);
    assert_eq!(notifier.poll(now + SECOND).unwrap().cause, Cause::Change);
    notifier.handle_answer();
    assert_eq!(notifier.poll(now + 50 * SECOND), None, "nothing new");
}

#[test]
fn the_rest_of_a_large_state_follows_at_once_and_not_after_a_refusal() {
    let now = Instant::now();
    let mut notifier = open(WatchState::Active, now);
    assert!(notifier.poll(now).is_some());
    notifier.go_on();
    assert_eq!(notifier.poll(now), None, "the first part is unanswered");
    assert!(notifier.handle_answer());
    assert_eq!(notifier.poll(now).unwrap().cause, Cause::Change);
    notifier.go_on();
    notifier.handle_refusal(10 * SECOND, now);
    assert_eq!(notifier.poll(now + 9 * SECOND), None);
    assert!(notifier.poll(now + 10 * SECOND).is_some());
}

#[test]
fn a_decision_of_the_owner_does_not_wait() {
    let now = Instant::now();
    let mut notifier = settled(WatchState::Pending, now);
    notifier.show(WatchState::Active, now);
    assert_eq!(state(notifier.poll(now)), Some((State::Active { expires: 100 }, true)));
    notifier.handle_answer();
    notifier.show(WatchState::Rejected, now);
    assert_eq!(state(notifier.poll(now)), Some((State::Terminated(Ended::Rejected), false)));
    assert!(notifier.is_over());
}

#[test]
fn refresh_repeats_the_state_and_moves_the_end() {
    let now = Instant::now();
    let mut notifier = settled(WatchState::Active, now);
    notifier.accept(200 * SECOND, now + SECOND);
    let notice = notifier.poll(now + SECOND);
    assert_eq!(notice.as_ref().map(|notice| notice.cause), Some(Cause::Must));
    assert_eq!(state(notice), Some((State::Active { expires: 200 }, true)));
    assert_eq!(notifier.deadline(), Some(now + 201 * SECOND));
}

#[test]
fn a_silent_refresh_moves_the_end_alone() {
    let now = Instant::now();
    let mut notifier = settled(WatchState::Active, now);
    notifier.accept_silently(200 * SECOND, now);
    assert_eq!(notifier.poll(now), None);
    assert_eq!(notifier.deadline(), Some(now + 200 * SECOND));
    notifier.accept_silently(Duration::ZERO, now);
    assert!(notifier.is_over() && notifier.poll(now).is_none());
}

#[test]
fn expiry_and_unsubscribing_end_with_one_more_notice() {
    let now = Instant::now();
    let mut expired = settled(WatchState::Active, now);
    assert_eq!(expired.deadline(), Some(now + 100 * SECOND));
    assert_eq!(state(expired.poll(now + 100 * SECOND)), Some((State::Terminated(Ended::Timeout), true)));
    assert_eq!(expired.poll(now + 101 * SECOND), None);

    let mut fetch = Notifier::new(SECOND, now);
    fetch.show(WatchState::Pending, now);
    fetch.accept(Duration::ZERO, now);
    assert_eq!(state(fetch.poll(now)), Some((State::Terminated(Ended::Timeout), false)));
    assert!(fetch.is_over());
}

#[test]
fn the_end_waits_for_the_answer_before() {
    let now = Instant::now();
    let mut notifier = open(WatchState::Active, now);
    assert!(notifier.poll(now).is_some());
    notifier.end(Ended::Deactivated);
    assert_eq!(notifier.poll(now), None);
    notifier.handle_answer();
    assert_eq!(state(notifier.poll(now)), Some((State::Terminated(Ended::Deactivated), false)));
    notifier.show(WatchState::Active, now);
    notifier.accept(SECOND, now);
    assert_eq!(notifier.poll(now), None);
}

#[test]
fn an_account_that_vanished_before_the_answer_ends_it() {
    let now = Instant::now();
    let mut notifier = open(WatchState::Gone, now);
    assert_eq!(state(notifier.poll(now)), Some((State::Terminated(Ended::NoResource), false)));
}

#[test]
fn an_owner_who_never_decides_has_given_up() {
    let now = Instant::now();
    let mut notifier = settled(WatchState::Pending, now);
    notifier.accept(100 * SECOND, now + DECIDED - SECOND);
    assert!(matches!(notifier.poll(now + DECIDED).unwrap().state, State::Pending { .. }));
    notifier.handle_answer();
    notifier.accept(100 * SECOND, now + DECIDED);
    assert_eq!(state(notifier.poll(now + DECIDED)), Some((State::Terminated(Ended::GiveUp), false)));
}

#[test]
fn a_refused_state_is_said_again_and_not_for_ever() {
    let mut now = Instant::now();
    let mut notifier = open(WatchState::Active, now);
    notifier.accept(1000 * SECOND, now);
    for _ in 1..REFUSED {
        assert!(notifier.poll(now).is_some());
        notifier.handle_refusal(10 * SECOND, now);
        assert_eq!(notifier.poll(now + 9 * SECOND), None);
        now += 10 * SECOND;
    }
    assert!(notifier.poll(now).is_some());
    notifier.handle_refusal(10 * SECOND, now);
    assert_eq!(state(notifier.poll(now)), Some((State::Terminated(Ended::Probation), false)));
}

#[test]
fn who_is_cut_off_is_told_when_he_is_back() {
    let now = Instant::now();
    let mut notifier = open(WatchState::Active, now);
    assert!(notifier.poll(now).is_some());
    notifier.cut_off();
    notifier.show(WatchState::Active, now);
    assert_eq!(notifier.poll(now + 9 * SECOND), None);
    assert_eq!(notifier.deadline(), Some(now + 100 * SECOND));
    assert!(notifier.rejoin() && !notifier.rejoin());
    assert_eq!(state(notifier.poll(now)), Some((State::Active { expires: 100 }, true)));
    notifier.cut_off();
    assert_eq!(notifier.poll(now + 100 * SECOND), None);
    assert!(notifier.is_over(), "nobody is left to be told of the end");
}

#[test]
fn after_a_restart_the_account_speaks_first() {
    let now = Instant::now();
    let mut notifier = Notifier::new(SECOND, now);
    notifier.resume(now + 50 * SECOND);
    notifier.accept(60 * SECOND, now);
    assert_eq!((notifier.poll(now), notifier.deadline()), (None, Some(now + 60 * SECOND)));
    notifier.show(WatchState::Active, now);
    assert_eq!(state(notifier.poll(now)), Some((State::Active { expires: 60 }, true)));
}

#[test]
fn a_watcher_is_told_as_often_as_he_wishes() {
    let now = Instant::now();
    let rates = |text: &str| Rates::read(&Params::parse(text).unwrap(), SECOND, 100 * SECOND);
    let mut slow = settled(WatchState::Active, now);
    slow.set_rates(rates("max-rate=0.1"), now);
    slow.show(WatchState::Active, now);
    assert_eq!(slow.poll(now + SECOND).unwrap().rates, ";max-rate=0.1");
    slow.handle_answer();
    slow.show(WatchState::Active, now);
    assert_eq!(slow.deadline(), Some(now + 11 * SECOND));
    assert_eq!(slow.poll(now + 10 * SECOND), None);
    assert!(slow.poll(now + 11 * SECOND).is_some(), "the last state arrives");

    let mut steady = settled(WatchState::Active, now);
    steady.set_rates(rates("min-rate=0.05"), now);
    assert_eq!(steady.deadline(), Some(now + 20 * SECOND));
    assert_eq!(steady.poll(now + 19 * SECOND), None);
    assert_eq!(steady.poll(now + 20 * SECOND).unwrap().cause, Cause::Silence);
    steady.withdraw();
    assert_eq!(steady.deadline(), Some(now + 40 * SECOND));
}
