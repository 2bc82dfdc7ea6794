//! The way from a variable to a value in the schema: `self`, `spec`, `items`, `@items`.
//!
//! In Kubernetes a trail that is lengthened may share its memory with the one that it came from, and two that were
//! lengthened from the same one then write to the same place: after `x.list` and `x.name`, the first may end in `name`
//! as well. What sizes are found then decides what is refused, so trails here share their memory as theirs do.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A way from a variable to a value.
#[derive(Debug, Clone, Default)]
pub(super) struct Trail {
    memory: Rc<RefCell<Vec<Arc<str>>>>,
    length: usize,
    /// How long it may grow before it moves.
    room: usize,
}

// === impl Trail ===

impl Trail {
    pub(super) fn of(variable: &str) -> Self {
        Self {
            memory: Rc::new(RefCell::new(vec![variable.into()])),
            length: 1,
            room: 1,
        }
    }

    /// One step further.
    pub(super) fn then(&self, step: &str) -> Self {
        let mut further = self.clone();
        if self.length == self.room {
            further.memory = Rc::new(RefCell::new(self.steps()));
            further.room = (self.room * 2).max(1);
        }
        let mut memory = further.memory.borrow_mut();
        match memory.get_mut(self.length) {
            Some(place) => *place = step.into(),
            None => memory.push(step.into()),
        }
        drop(memory);
        further.length += 1;
        further
    }

    /// The same trail in memory of its own.
    pub(super) fn apart(&self) -> Self {
        Self {
            memory: Rc::new(RefCell::new(self.steps())),
            length: self.length,
            room: self.length,
        }
    }

    /// The steps, as they are now.
    pub(super) fn steps(&self) -> Vec<Arc<str>> {
        self.memory.borrow()[..self.length].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_lengthen_a_trail_with_room_writes_over_the_others() {
        let item = Trail::of("self").then("list").then("@items");
        let first = item.then("a");
        let second = item.then("b");
        assert_eq!(&*first.steps()[3], "b");
        assert_eq!(&*second.steps()[3], "b");
        let moved = second.then("c");
        item.then("d");
        assert_eq!(&*moved.steps()[3], "b");
    }
}
