//! Decision: from a wanted and a seen pod to the next action.
