//! Hand-made histories: each anomaly is seen, and called by its name; what is none is let pass.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rkcy_runtime::simulate::history::{Anomaly, Attempt, Class, Heard, Op, check};

type History = Vec<Attempt<&'static str>>;

fn append(list: &'static str, entry: i64) -> Op<&'static str> {
    Op::Append { list, entry }
}

fn read(list: &'static str, entries: &[i64]) -> Op<&'static str> {
    Op::Read {
        list,
        entries: Some(entries.to_vec()),
    }
}

/// Committed; all attempts overlap, so that real time says nothing.
fn done(ops: &[Op<&'static str>]) -> Attempt<&'static str> {
    between(0, 100, ops)
}

/// Asked for and heard of then.
fn between(asked: u64, at: u64, ops: &[Op<&'static str>]) -> Attempt<&'static str> {
    Attempt {
        asked,
        heard: Heard::Committed { at },
        ops: ops.to_vec(),
    }
}

fn heard(heard: Heard, ops: &[Op<&'static str>]) -> Attempt<&'static str> {
    Attempt { heard, ..done(ops) }
}

fn classes(history: &History) -> Vec<(Class, bool)> {
    let anomalies = check(history);
    let class = |it: &Anomaly| (it.class, it.real_time);
    anomalies.iter().map(class).collect()
}

/// The only anomaly.
fn only(history: &History) -> Anomaly {
    let anomalies = check(history);
    assert_eq!(anomalies.len(), 1, "{anomalies:#?}");
    anomalies[0].clone()
}

#[test]
fn a_serial_history_is_none() {
    let history = vec![
        between(0, 1, &[append("x", 1), append("y", 1)]),
        between(2, 3, &[read("x", &[1]), append("y", 2)]),
        between(
            4,
            5,
            &[append("x", 3), read("x", &[1, 3]), read("y", &[1, 2])],
        ),
        between(6, 7, &[read("x", &[1, 3]), read("y", &[1, 2])]),
    ];
    assert_eq!(check(&history), []);
    assert_eq!(check::<&str>(&[]), []);
}

#[test]
fn what_overlaps_may_stand_in_any_order() {
    let history = vec![
        between(0, 10, &[append("x", 1)]),
        between(1, 9, &[read("x", &[])]),
        between(2, 8, &[read("x", &[1])]),
    ];
    assert_eq!(check(&history), []);
}

#[test]
fn dirty_writes_are_g0() {
    let history = vec![
        done(&[append("x", 1), append("y", 1)]),
        done(&[append("x", 2), append("y", 2)]),
        done(&[read("x", &[1, 2])]),
        done(&[read("y", &[2, 1])]),
    ];
    let found = only(&history);
    assert_eq!((found.class, found.real_time), (Class::G0, false));
    assert_eq!(found.attempts, [0, 1]);
    assert_eq!(
        found.to_string(),
        "G0: #0 appended to \"x\" before #1 appended to \"y\" before #0"
    );
}

#[test]
fn reading_what_was_refused_is_g1a() {
    let history = vec![
        heard(Heard::Refused, &[append("x", 1)]),
        done(&[read("x", &[1])]),
    ];
    let found = only(&history);
    assert_eq!(found.class, Class::G1a);
    assert_eq!(found.attempts, [1, 0]);
}

#[test]
fn reading_half_of_it_is_g1b() {
    let history = vec![
        done(&[append("x", 1), append("x", 2)]),
        done(&[read("x", &[1])]),
        done(&[read("x", &[1, 2])]),
    ];
    // It is a circle as well: the reader stands behind the one entry and before the other.
    assert_eq!(
        classes(&history),
        [(Class::G1b, false), (Class::GSingle, false)]
    );
}

#[test]
fn reading_each_others_writes_is_g1c() {
    let history = vec![
        done(&[append("x", 1), read("y", &[1])]),
        done(&[append("y", 1), read("x", &[1])]),
    ];
    assert_eq!(classes(&history), [(Class::G1c, false)]);
}

#[test]
fn read_skew_is_g_single() {
    let history = vec![
        done(&[append("x", 1), append("y", 1)]),
        done(&[read("x", &[1]), read("y", &[])]),
    ];
    let found = only(&history);
    assert_eq!((found.class, found.real_time), (Class::GSingle, false));
    assert!(
        found
            .text
            .contains("#1 has not read what was appended to \"y\" by #0"),
        "{found}"
    );
}

#[test]
fn a_lost_update_is_g_single() {
    let history = vec![
        done(&[read("x", &[]), append("x", 1)]),
        done(&[read("x", &[]), append("x", 2)]),
        done(&[read("x", &[1, 2])]),
    ];
    assert_eq!(only(&history).class, Class::GSingle);
}

#[test]
fn write_skew_is_g2() {
    let history = vec![
        done(&[read("x", &[]), append("y", 1)]),
        done(&[read("y", &[]), append("x", 1)]),
    ];
    // That nobody has read the entries does not hide it.
    assert_eq!(classes(&history), [(Class::G2, false)]);
}

#[test]
fn a_long_fork_is_g2() {
    let history = vec![
        done(&[append("x", 1)]),
        done(&[append("y", 1)]),
        done(&[read("x", &[1]), read("y", &[])]),
        done(&[read("x", &[]), read("y", &[1])]),
    ];
    let found = only(&history);
    assert_eq!(found.class, Class::G2);
    assert_eq!(found.attempts.len(), 4, "{found}");
}

#[test]
fn a_stale_read_is_an_anomaly_in_real_time_alone() {
    let history = vec![
        between(0, 1, &[append("x", 1)]),
        between(2, 3, &[read("x", &[])]),
    ];
    let found = only(&history);
    assert_eq!((found.class, found.real_time), (Class::GSingle, true));
    assert_eq!(found.attempts, [1, 0]);
}

#[test]
fn writes_against_real_time_are_g0() {
    let history = vec![
        between(0, 1, &[append("x", 1)]),
        between(2, 3, &[append("x", 2)]),
        between(0, 9, &[read("x", &[2, 1])]),
    ];
    assert_eq!(classes(&history), [(Class::G0, true)]);
}

#[test]
fn one_who_heard_it_from_another_must_see_it() {
    // Not through any list: #1 was heard of before #2 was asked for.
    let history = vec![
        between(0, 9, &[append("x", 1)]),
        between(1, 2, &[read("x", &[1])]),
        between(3, 4, &[read("x", &[])]),
    ];
    assert_eq!(classes(&history), [(Class::GSingle, true)]);
}

#[test]
fn of_whom_nothing_was_heard_may_have_happened_or_not() {
    let nothing = |entry| heard(Heard::Nothing, &[append("x", entry)]);
    let history = vec![
        nothing(1),
        nothing(2),
        done(&[read("x", &[2])]),
        done(&[read("x", &[2])]),
    ];
    assert_eq!(check(&history), []);
    // If it has, it stands behind what it was asked after.
    let history = vec![
        between(0, 1, &[read("x", &[7])]),
        Attempt {
            asked: 2,
            ..nothing(7)
        },
    ];
    assert_eq!(classes(&history), [(Class::G1c, true)]);
}

#[test]
fn results_that_were_not_heard_say_nothing() {
    let unheard = Op::Read {
        list: "x",
        entries: None,
    };
    let history = vec![done(&[append("x", 1), unheard]), done(&[read("x", &[])])];
    assert_eq!(check(&history), []);
}

#[test]
fn a_list_that_cannot_be_is_seen() {
    for (ops, class) in [
        (vec![read("x", &[5])], Class::Garbage),
        (vec![read("x", &[1, 1])], Class::Duplicate),
        (vec![append("x", 2), read("x", &[1])], Class::Internal),
        (vec![read("x", &[]), read("x", &[1])], Class::Internal),
    ] {
        let history = vec![done(&[append("x", 1)]), done(&ops)];
        let found = classes(&history);
        assert!(found.contains(&(class, false)), "{ops:?}: {found:?}");
    }
    let history = vec![
        done(&[append("x", 1)]),
        done(&[append("x", 2)]),
        done(&[read("x", &[1, 2])]),
        done(&[read("x", &[2])]),
    ];
    assert!(classes(&history).contains(&(Class::Incompatible, false)));
}

#[test]
fn a_long_history_is_judged_in_a_moment() {
    let count: i64 = 5_000;
    let mut history: History = Vec::new();
    for nth in 0..count {
        let at = nth.cast_unsigned() * 2;
        history.push(between(at, at + 1, &[append("x", nth), append("y", nth)]));
    }
    let all: Vec<i64> = (0..count).collect();
    history.push(between(
        0,
        u64::MAX,
        &[read("x", &all), read("y", &all[..4_999])],
    ));
    let found = only(&history);
    assert_eq!(found.class, Class::GSingle);
    assert_eq!(found.attempts, [5_000, 4_999]);
}
