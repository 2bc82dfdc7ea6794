//! Definitions, compiled before they are served: a hostile one takes long, and whoever follows the store, for everybody, has
//! nothing left to do then but to look it up.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use cedge_crd::CustomKind;
use cedge_kinds::FieldError;
use serde_json::Value;

/// Kinds that are remembered from the moment at which they are judged to the one at which they are served.
const KEPT: usize = 8;

/// The last ones that were compiled.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    hasher: RandomState,
    last: Mutex<VecDeque<(u64, Arc<CustomKind>)>>,
}

// === impl Compiled ===

impl Compiled {
    /// What a definition defines; compiled now, if it was not lately.
    ///
    /// # Errors
    /// It cannot be.
    pub(crate) fn kind(&self, definition: &Value) -> Result<Arc<CustomKind>, Vec<FieldError>> {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody can find two specs of one number: the hasher's keys are secret.
        let spec = self.hasher.hash_one(definition["spec"].to_string());
        if let Some((_, kind)) = last().iter().find(|(known, _)| *known == spec) {
            return Ok(kind.clone());
        }
        let kind = Arc::new(CustomKind::compile_stored(definition)?);
        let mut last = last();
        last.truncate(KEPT - 1);
        last.push_front((spec, kind.clone()));
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_compiled_lately_is_not_compiled_again() {
        let compiled = Compiled::default();
        let definition = |plural: &str, status: &str| {
            json!({"status": status, "spec": {"group": "x.io", "names": {"plural": plural, "kind": "Thing"}, "versions": [
                {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}})
        };
        let first = compiled.kind(&definition("things", "new")).unwrap();
        let again = compiled.kind(&definition("things", "established"));
        assert!(Arc::ptr_eq(&first, &again.unwrap()));
        for n in 0..KEPT * 2 {
            let other = compiled
                .kind(&definition(&format!("things{n}"), ""))
                .unwrap();
            assert!(!Arc::ptr_eq(&first, &other));
        }
        assert_eq!(compiled.last.lock().unwrap().len(), KEPT);
    }
}
