//! Deadlocks over several servers, of which none sees more than its own part.

use std::collections::{BTreeMap, BTreeSet};

/// Who has to give way, so that nobody of these waits for himself any more. A wait is a client that waits and one that it waits
/// for, on whichever server; `began` is when a client began to. Of those that wait for each other the one gives
/// way that began last: it has lost least.
pub fn victims<C: Copy + Ord, T: Ord>(waits: &[(C, C)], began: impl Fn(C) -> T) -> Vec<C> {
    let mut holders: BTreeMap<C, BTreeSet<C>> = BTreeMap::new();
    for &(waiter, holder) in waits {
        holders.entry(waiter).or_default().insert(holder);
    }
    let mut victims = Vec::new();
    loop {
        let entangled = holders.keys().copied();
        let entangled = entangled.filter(|&client| waits_for_itself(&holders, client));
        let Some(last) = entangled.max_by_key(|&client| (began(client), client)) else {
            return victims;
        };
        holders.remove(&last);
        victims.push(last);
    }
}

fn waits_for_itself<C: Copy + Ord>(holders: &BTreeMap<C, BTreeSet<C>>, client: C) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![client];
    while let Some(waiter) = open.pop() {
        for &holder in holders.get(&waiter).into_iter().flatten() {
            if holder == client {
                return true;
            }
            if seen.insert(holder) {
                open.push(holder);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::victims;

    #[track_caller]
    fn give_way(waits: &[(u32, u32)], expected: &[u32]) {
        // Who has the higher number began later.
        assert_eq!(victims(waits, |client| client), expected, "{waits:?}");
    }

    #[test]
    fn whoever_waits_in_a_line_only_waits() {
        give_way(&[], &[]);
        give_way(&[(1, 2), (2, 3), (1, 3), (4, 3)], &[]);
    }

    #[test]
    fn of_a_circle_the_last_gives_way() {
        give_way(&[(1, 2), (2, 1)], &[2]);
        give_way(&[(1, 2), (2, 3), (3, 1), (4, 1), (9, 4)], &[3]);
        give_way(&[(7, 7)], &[7]);
    }

    #[test]
    fn circles_are_opened_one_by_one() {
        give_way(&[(1, 2), (2, 1), (3, 4), (4, 3)], &[4, 2]);
        // One client is in both.
        give_way(&[(1, 5), (5, 1), (2, 5), (5, 2)], &[5]);
    }

    #[test]
    fn the_later_one_gives_way_whatever_its_number() {
        assert_eq!(victims(&[(1, 2), (2, 1)], |client| 10 - client), [1]);
    }
}
