//! A queue that serves users in turn, and the connections of a user in turn.

use std::collections::VecDeque;

use crate::{ConnectionId, OwnerUid};

/// The user and the connection of a waiting request. Permits go round among users, then among a
/// user's connections, so a requester with many requests gets as many permits as a requester with
/// few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requester {
    /// The user. `None` is the service itself, or all remote peers together.
    pub owner: Option<OwnerUid>,
    /// The connection.
    pub connection: ConnectionId,
}

/// The waiting items in the order in which they are served. The caller bounds the length.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    owners: VecDeque<OwnerQueue<T>>,
    length: usize,
    /// The user whose item was taken last.
    last: Option<OwnerUid>,
}

#[derive(Debug)]
struct OwnerQueue<T> {
    owner: Option<OwnerUid>,
    connections: VecDeque<(ConnectionId, VecDeque<T>)>,
}

impl<T> OwnerQueue<T> {
    fn length(&self) -> usize {
        self.connections.iter().map(|(_, items)| items.len()).sum()
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { owners: VecDeque::new(), length: 0, last: None }
    }
}

impl<T> FairQueue<T> {
    pub(super) const fn len(&self) -> usize {
        self.length
    }

    /// The number of this user's items.
    pub(super) fn len_of(&self, owner: Option<OwnerUid>) -> usize {
        self.owners.iter().find(|queue| queue.owner == owner).map_or(0, OwnerQueue::length)
    }

    /// Adds an item. A new requester waits for at most one item of each other user who waits, and
    /// comes before a second item of the user who was served last.
    pub(super) fn push(&mut self, requester: Requester, item: T) {
        let Requester { owner, connection } = requester;
        self.length += 1;
        let Some(queue) = self.owners.iter_mut().find(|queue| queue.owner == owner) else {
            let connections = VecDeque::from([(connection, VecDeque::from([item]))]);
            let queue = OwnerQueue { owner, connections };
            let is_served = self.owners.back().is_some_and(|back| back.owner == self.last);
            self.owners.insert(self.owners.len() - usize::from(is_served), queue);
            return;
        };
        match queue.connections.iter_mut().find(|(other, _)| *other == connection) {
            Some((_, items)) => items.push_back(item),
            None => queue.connections.push_back((connection, VecDeque::from([item]))),
        }
    }

    /// Takes the next item, and moves its user and its connection behind the others.
    pub(super) fn pop(&mut self) -> Option<T> {
        let mut queue = self.owners.pop_front()?;
        self.last = queue.owner;
        let (connection, mut items) = queue.connections.pop_front()?;
        let item = items.pop_front();
        self.length = self.length.saturating_sub(usize::from(item.is_some()));
        if !items.is_empty() {
            queue.connections.push_back((connection, items));
        }
        if !queue.connections.is_empty() {
            self.owners.push_back(queue);
        }
        item
    }

    /// Drops the items that `keep` does not want.
    pub(super) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        for queue in &mut self.owners {
            for (_, items) in &mut queue.connections {
                items.retain(&keep);
            }
            queue.connections.retain(|(_, items)| !items.is_empty());
        }
        self.owners.retain(|queue| !queue.connections.is_empty());
        self.length = self.owners.iter().map(OwnerQueue::length).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requester(owner: u32, connection: u64) -> Requester {
        Requester { owner: Some(OwnerUid::new(owner)), connection: ConnectionId::new(connection) }
    }

    fn drain(mut queue: FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn users_take_turns_and_so_do_the_connections_of_a_user() {
        let mut queue = FairQueue::default();
        for item in ["a1", "a2", "a3", "a4"] {
            queue.push(requester(1, 1), item);
        }
        queue.push(requester(1, 2), "b1");
        queue.push(requester(2, 3), "c1");
        queue.push(requester(2, 3), "c2");
        assert_eq!(queue.len(), 7);
        assert_eq!(queue.len_of(Some(OwnerUid::new(1))), 5);
        assert_eq!(drain(queue), ["a1", "c1", "b1", "c2", "a2", "a3", "a4"]);
    }

    #[test]
    fn a_new_requester_waits_for_one_item_of_each_user_who_waited_before() {
        let mut queue = FairQueue::default();
        for item in ["a1", "a2", "a3"] {
            queue.push(requester(1, 1), item);
        }
        assert_eq!(queue.pop(), Some("a1"));
        queue.push(requester(2, 2), "b1");
        queue.push(requester(3, 3), "c1");
        assert_eq!(queue.pop(), Some("b1"));
        queue.push(requester(2, 2), "b2");
        assert_eq!(drain(queue), ["c1", "a2", "b2", "a3"]);
    }

    #[test]
    fn dropped_items_are_not_served_and_take_no_place() {
        let mut queue = FairQueue::default();
        queue.push(requester(1, 1), "gone");
        queue.push(requester(2, 2), "kept");
        queue.retain(|item| *item == "kept");
        assert_eq!((queue.len(), queue.len_of(Some(OwnerUid::new(1)))), (1, 0));
        assert_eq!(drain(queue), ["kept"]);
    }
}
