//! The consumer group of the embedded log: members, who owns which partition, committed offsets.
//!
//! Rebalances are cooperative and sticky: a join or a leave begins a new generation and a new plan; a member first gives up what
//! the plan takes from it (or, where they are eager, all it has), and a partition is offered only when nobody holds it. Always holds: a
//! partition has at most one holder; offsets of a member are accepted in the current generation alone. An expelled member learns of
//! it at its next poll.
//! Deliberately not here: heartbeats and session timeouts; whoever tests expels by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::record::Partition;
use crate::stream::log::{Committed, Rebalance};

/// The number of a member, never reused.
pub(super) type MemberNumber = u64;

/// One member as the coordinator sees it.
struct Member {
    topics: Vec<Arc<str>>,
    plan: BTreeSet<Partition>,
    held: BTreeSet<Partition>,
    generation: u64,
}

/// A group's state.
#[derive(Default)]
pub(super) struct Group {
    members: BTreeMap<MemberNumber, Member>,
    next_member: MemberNumber,
    pub(super) generation: u64,
    pub(super) offsets: BTreeMap<Partition, Committed>,
    /// Offsets that a transaction will commit, with its number.
    pub(super) pending: BTreeSet<(Partition, u64)>,
    /// Whether a rebalance takes everything from everybody first.
    pub(super) eager: bool,
}

impl Group {
    /// Adds a member and begins a rebalance.
    pub(super) fn join(&mut self, topics: &[Arc<str>], partitions: &BTreeMap<Arc<str>, usize>) -> MemberNumber {
        self.next_member += 1;
        let (plan, held) = Default::default();
        self.members.insert(self.next_member, Member { topics: topics.to_vec(), plan, held, generation: 0 });
        self.plan(partitions);
        self.next_member
    }

    /// Removes a member, whether it left or was expelled; what it held is free. Says whether it was there.
    pub(super) fn leave(&mut self, member: MemberNumber, partitions: &BTreeMap<Arc<str>, usize>) -> bool {
        let was = self.members.remove(&member).is_some();
        if was {
            self.plan(partitions);
        }
        was
    }

    /// What the member has to do next. `None`: nothing. An unknown member lost all that it `believes` to own.
    pub(super) fn next(&mut self, number: MemberNumber, believes: &BTreeSet<Partition>) -> Option<Rebalance> {
        let Some(member) = self.members.get_mut(&number) else {
            return (!believes.is_empty()).then(|| Rebalance::Lost(believes.iter().cloned().collect()));
        };
        let all = self.eager && member.generation < self.generation;
        member.generation = self.generation;
        let going: Vec<Partition> =
            member.held.iter().filter(|held| all || !member.plan.contains(held)).cloned().collect();
        if !going.is_empty() {
            return Some(Rebalance::Revoke(going));
        }
        let member = &self.members[&number];
        let free = |wanted: &&Partition| self.members.values().all(|other| !other.held.contains(*wanted));
        let coming: Vec<Partition> = member.plan.difference(&member.held).filter(free).cloned().collect();
        if coming.is_empty() {
            return None;
        }
        if let Some(member) = self.members.get_mut(&number) {
            member.held.extend(coming.iter().cloned());
        }
        Some(Rebalance::Assign(coming))
    }

    /// The member gave these up.
    pub(super) fn release(&mut self, number: MemberNumber, partitions: &[Partition]) {
        if let Some(member) = self.members.get_mut(&number) {
            member.held.retain(|partition| !partitions.contains(partition));
        }
    }

    /// Whether the group knows the member.
    pub(super) fn knows(&self, number: MemberNumber) -> bool {
        self.members.contains_key(&number)
    }

    /// The generation in which the member last polled; `None` before its first poll and after it was expelled.
    pub(super) fn generation_of(&self, number: MemberNumber) -> Option<u64> {
        self.members.get(&number).map(|member| member.generation).filter(|generation| *generation > 0)
    }

    /// Every member's number, oldest first.
    pub(super) fn members(&self) -> Vec<MemberNumber> {
        self.members.keys().copied().collect()
    }

    /// Whether any member wants partitions of `topic`.
    pub(super) fn reads(&self, topic: &str) -> bool {
        self.members.values().any(|member| member.topics.iter().any(|wanted| &**wanted == topic))
    }

    /// Begins a generation: each partition stays where it is planned as long as that keeps the plan even.
    pub(super) fn plan(&mut self, partitions: &BTreeMap<Arc<str>, usize>) {
        self.generation += 1;
        let mut loose: BTreeSet<Partition> = BTreeSet::new();
        let topics: BTreeSet<&Arc<str>> = self.members.values().flat_map(|member| &member.topics).collect();
        for topic in topics {
            let count = partitions.get(topic).copied().unwrap_or(0);
            loose.extend((0..count).map(|number| Partition::new(topic.clone(), number as i32)));
        }
        let members = self.members.len().max(1);
        let (even, mut extra) = (loose.len() / members, loose.len() % members);
        for member in self.members.values_mut() {
            member.plan.retain(|partition| loose.contains(partition));
            let more = usize::from(extra > 0 && member.plan.len() > even);
            extra -= more;
            member.plan = member.plan.iter().take(even + more).cloned().collect();
            loose.retain(|partition| !member.plan.contains(partition));
        }
        for partition in loose {
            let least = self.members.values_mut().min_by_key(|member| member.plan.len());
            if let Some(member) = least {
                member.plan.insert(partition);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions(count: usize) -> BTreeMap<Arc<str>, usize> {
        BTreeMap::from([(Arc::from("t"), count)])
    }

    fn numbers(list: &[Partition]) -> Vec<i32> {
        list.iter().map(|partition| partition.number).collect()
    }

    #[test]
    fn a_second_member_gets_a_partition_only_after_the_first_gave_it_up() {
        let mut group = Group::default();
        let counts = partitions(4);
        let nothing = BTreeSet::new();
        let first = group.join(&[Arc::from("t")], &counts);
        let Some(Rebalance::Assign(list)) = group.next(first, &nothing) else { panic!("no assignment") };
        assert_eq!(numbers(&list), [0, 1, 2, 3]);
        let second = group.join(&[Arc::from("t")], &counts);
        assert_eq!(group.next(second, &nothing), None);
        let Some(Rebalance::Revoke(list)) = group.next(first, &nothing) else { panic!("no revocation") };
        assert_eq!(numbers(&list), [2, 3]);
        assert_eq!(group.next(second, &nothing), None);
        group.release(first, &list);
        let Some(Rebalance::Assign(list)) = group.next(second, &nothing) else { panic!("no assignment") };
        assert_eq!(numbers(&list), [2, 3]);
        group.leave(second, &counts);
        let Some(Rebalance::Assign(list)) = group.next(first, &nothing) else { panic!("no assignment") };
        assert_eq!(numbers(&list), [2, 3]);
    }

    #[test]
    fn an_eager_rebalance_takes_all_and_gives_again() {
        let mut group = Group { eager: true, ..Group::default() };
        let counts = partitions(2);
        let nothing = BTreeSet::new();
        let first = group.join(&[Arc::from("t")], &counts);
        let Some(Rebalance::Assign(_)) = group.next(first, &nothing) else { panic!("no assignment") };
        let second = group.join(&[Arc::from("t")], &counts);
        let Some(Rebalance::Revoke(list)) = group.next(first, &nothing) else { panic!("no revocation") };
        assert_eq!(numbers(&list), [0, 1]);
        group.release(first, &list);
        for (member, expected) in [(first, 0), (second, 1)] {
            let Some(Rebalance::Assign(list)) = group.next(member, &nothing) else { panic!("no assignment") };
            assert_eq!((numbers(&list), group.next(member, &nothing)), (vec![expected], None));
        }
    }

    #[test]
    fn an_expelled_member_lost_what_it_believes_to_own() {
        let mut group = Group::default();
        let counts = partitions(1);
        let member = group.join(&[Arc::from("t")], &counts);
        group.next(member, &BTreeSet::new());
        assert!(group.leave(member, &counts));
        let owned = BTreeSet::from([Partition::new("t", 0)]);
        assert_eq!(group.next(member, &owned), Some(Rebalance::Lost(vec![Partition::new("t", 0)])));
        assert_eq!(group.next(member, &BTreeSet::new()), None);
        assert_eq!(group.generation_of(member), None);
    }
}
