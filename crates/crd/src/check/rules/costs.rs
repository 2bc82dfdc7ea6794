//! What the rules of a schema may cost: each, and all together.

use cedge_kinds::error::Errors;
use cedge_kinds::path::Path;

/// What one expression may cost, by the estimate.
const EXPRESSION_MAX: u64 = 10_000_000;
/// What all expressions of a schema may cost together.
const TOTAL_MAX: u64 = 100_000_000;
/// How many of the dearest are named.
const NAMED: usize = 4;
/// A factor above this one is not told.
const FACTOR_MAX: f64 = 100.0;

/// What the expressions of a schema cost so far.
#[derive(Debug)]
pub(in crate::check) struct Costs {
    /// The schema is the one that is stored: only the total counts.
    unchanged: bool,
    total: u64,
    /// The dearest, each at its place; those below a hundredth of the whole are left out.
    dearest: Vec<(u64, String)>,
}

// === impl Costs ===

impl Costs {
    /// None yet.
    pub(in crate::check) fn new(unchanged: bool) -> Self {
        Self {
            unchanged,
            total: 0,
            dearest: Vec::new(),
        }
    }

    pub(super) fn rule(&mut self, cost: u64, path: &Path<'_>, errors: &mut Errors) {
        self.add("estimated rule cost", cost, path, errors);
    }

    pub(super) fn message(&mut self, cost: u64, path: &Path<'_>, errors: &mut Errors) {
        self.add("estimated messageExpression cost", cost, path, errors);
    }

    fn add(&mut self, name: &str, cost: u64, path: &Path<'_>, errors: &mut Errors) {
        if cost > EXPRESSION_MAX && !self.unchanged {
            errors.forbidden(path, too_dear(name, cost, EXPRESSION_MAX));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= TOTAL_MAX / 100 {
            self.dearest.push((cost, path.to_string()));
            self.dearest.sort_by(|(a, _), (b, _)| b.cmp(a));
            self.dearest.truncate(NAMED);
        }
    }

    /// Says what is too much for a schema as a whole.
    pub(in crate::check) fn tell(&self, schema: &Path<'_>, errors: &mut Errors) {
        if self.total <= TOTAL_MAX {
            return;
        }
        for (_, place) in &self.dearest {
            let detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            errors.forbidden(&Path::root(place), detail);
        }
        let name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.forbidden(schema, too_dear(name, self.total, TOTAL_MAX));
    }
}

fn too_dear(name: &str, cost: u64, limit: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a factor to be read")]
    let factor = cost as f64 / limit as f64;
    let factor = if factor > FACTOR_MAX {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}
