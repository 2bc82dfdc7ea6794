//! Mutating webhooks: one after the other, each sees what the ones before have made.

use std::collections::BTreeSet;

use cedge_policy::Asked;
use serde_json::{Value, json};

use super::call::{Failure, heed};
use super::{Deed, Webhook, seen_as};
use crate::admission::hooks::Shown;
use crate::resource::Resource;
use crate::status::{Error, Result};

/// What is remembered from the first round for a second one.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Whether this is the second.
    pub(crate) second: bool,
    /// Whether somebody changed the object, so that there must be a second.
    pub(crate) changed: bool,
    asked: Vec<String>,
    again: BTreeSet<String>,
    left: Option<Value>,
}

// === impl Round ===

impl Round {
    /// Begins a part of a round: in the second, whoever was asked before is asked again if others changed the object.
    pub(crate) fn begin(&mut self, object: Option<&Value>) {
        if self.second && self.left.as_ref() != object {
            self.require();
        }
    }

    pub(crate) fn end(&mut self, object: Option<&Value>) {
        self.left = object.cloned();
    }

    /// Whether somebody is to be asked in this round.
    pub(crate) fn asks(&self, uid: &str) -> bool {
        !self.second || self.again.contains(uid)
    }

    /// Somebody was asked, and has changed the object or not.
    pub(crate) fn was_asked(&mut self, uid: &str, reinvoke: bool, changed: bool) {
        if changed {
            self.require();
            self.changed = true;
        }
        if reinvoke {
            self.asked.push(uid.to_owned());
        }
    }

    fn require(&mut self) {
        self.again.extend(self.asked.drain(..));
    }
}

pub(crate) async fn mutate(
    shown: &Shown,
    deed: &Deed<'_>,
    round: &mut Round,
    mut object: Option<&mut Value>,
    old: Option<&Value>,
) -> Result<()> {
    round.begin(object.as_deref());
    for (index, hook) in shown.mutating.iter().enumerate() {
        let asked = hook.is_for(deed, object.as_deref(), old).await?;
        let Some(asked) = asked.filter(|_| round.asks(&hook.uid)) else {
            continue;
        };
        let place = format!("round_{}_index_{index}", u8::from(round.second));
        let changed = hook.change(deed, &asked, object.as_deref_mut(), old, &place);
        let changed = changed.await?;
        round.was_asked(&hook.uid, hook.reinvoke, changed);
    }
    round.end(object.as_deref());
    Ok(())
}

// === impl Webhook ===

impl Webhook {
    /// Asks it, and does what it says; whether that changed the object.
    async fn change(
        &self,
        deed: &Deed<'_>,
        asked: &Asked,
        object: Option<&mut Value>,
        old: Option<&Value>,
        place: &str,
    ) -> Result<bool> {
        let before = seen_as(deed, asked, object.as_deref()).await?;
        let before_old = seen_as(deed, asked, old).await?;
        let answer = self
            .ask(deed, asked, before.as_ref(), before_old.as_ref(), true)
            .await;
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(Failure::Refused(error)) => return Err(error),
            Err(Failure::Calling(why)) if self.fail_open => {
                tracing::warn!(
                    webhook = self.name,
                    why,
                    "a webhook could not be asked, and is passed over"
                );
                let key = format!("failed-open.mutation.webhook.admission.k8s.io/{place}");
                deed.call.annotate(key, self.name.clone());
                return Ok(false);
            }
            Err(Failure::Calling(why)) => {
                tracing::warn!(webhook = self.name, why, "a webhook could not be asked");
                return Err(self.failed(&why));
            }
        };
        heed(deed, &mut answer)?;
        let steps = answer.patch.as_array().map_or(0, Vec::len);
        let changed = match (steps, object, before) {
            (0, _, _) => false,
            (_, Some(object), Some(before)) => {
                let after = self.patched(deed, asked, &before, &answer.patch)?;
                let changed = after != before;
                if changed {
                    *object = deed.taken_from(asked, &after).await?;
                }
                changed
            }
            _ => {
                return Err(Error::internal(format!(
                    "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                    self.name
                )));
            }
        };
        let note =
            json!({"configuration": self.configuration, "webhook": self.name, "mutated": changed});
        deed.call.annotate(
            format!("mutation.webhook.admission.k8s.io/{place}"),
            note.to_string(),
        );
        if steps > 0 {
            let note = json!({"configuration": self.configuration, "webhook": self.name,
                "patch": answer.patch, "patchType": "JSONPatch"});
            deed.call.annotate(
                format!("patch.webhook.admission.k8s.io/{place}"),
                note.to_string(),
            );
        }
        Ok(changed)
    }

    fn patched(
        &self,
        deed: &Deed<'_>,
        asked: &Asked,
        before: &Value,
        patch: &Value,
    ) -> Result<Value> {
        let mut after = cedge_merge::json_patch(before, patch).map_err(Error::internal)?;
        let resource = deed.resource(asked)?;
        settle(&resource, &deed.request.subresource, &mut after)?;
        Ok(after)
    }
}

/// What somebody made of an object as a typed decoder would read it: of the right types, without what is unknown, with
/// defaults.
pub(in crate::admission) fn settle(
    resource: &Resource,
    subresource: &str,
    object: &mut Value,
) -> Result<()> {
    let speaks = resource.speaks(subresource);
    resource
        .check_types(&speaks, object)
        .map_err(Error::internal)?;
    resource.prune(&speaks, object);
    if speaks.kind == resource.kind {
        resource.set_defaults(object);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_asked_is_asked_again_when_somebody_after_it_made_a_change() {
        let mut round = Round::default();
        round.was_asked("a", true, false);
        round.was_asked("b", false, true);
        assert!(round.changed);
        round.second = true;
        assert!(round.asks("a") && !round.asks("b") && !round.asks("c"));
    }

    #[test]
    fn a_change_from_outside_asks_everybody_again() {
        let mut round = Round::default();
        round.was_asked("a", true, true);
        round.end(Some(&json!({"a": 1})));
        round.second = true;
        round.begin(Some(&json!({"a": 1})));
        assert!(!round.asks("a"));
        round.begin(Some(&json!({"a": 2})));
        assert!(round.asks("a"));
    }
}
