//! A ← B ← C ← D, each a process of its own; the wire between A and B is in the test's hand.

use std::path::Path;

use serde_json::Value;

use crate::look::text;
use crate::site::Site;
use crate::wire::Wire;

/// The tree of the tests: a chain.
#[derive(Debug)]
pub struct Chain {
    /// From the root to the leaf.
    pub sites: Vec<Site>,
    /// Between the root and its child.
    pub wire: Wire,
}

impl Chain {
    /// A chain of sites of these names, each with the label `layer: NAME`; returns when they are up and joined. The root has
    /// the arguments `root`.
    ///
    /// # Panics
    /// If one does not come up.
    #[must_use]
    pub fn grow(folder: &Path, names: &[&str], root: &[&str]) -> Self {
        let mut sites: Vec<Site> = Vec::new();
        let mut wire: Option<Wire> = None;
        for name in names {
            let label = format!("layer={name}");
            let mut args = vec!["--labels", label.as_str()];
            if sites.is_empty() {
                args.extend(root);
            }
            let mut site = Site::new(folder, name, &args);
            match sites.last() {
                None => {
                    site.start();
                    wire = Some(Wire::to(site.hub()));
                }
                Some(parent) => {
                    let address = match (&wire, sites.len()) {
                        (Some(wire), 1) => wire.address(),
                        _ => parent.hub().to_string(),
                    };
                    site.start_below(parent, &address);
                }
            }
            sites.push(site);
        }
        Self {
            sites,
            wire: wire.expect("a chain has a root"),
        }
    }

    /// The root.
    #[must_use]
    pub fn a(&self) -> &Site {
        &self.sites[0]
    }

    /// The root's child.
    #[must_use]
    pub fn b(&self) -> &Site {
        &self.sites[1]
    }

    /// Below `b`.
    #[must_use]
    pub fn c(&self) -> &Site {
        &self.sites[2]
    }

    /// The leaf of four.
    #[must_use]
    pub fn d(&self) -> &Site {
        &self.sites[3]
    }
}

impl Site {
    /// The chain below it as `cedge tree` shows it: `NAME:STATE` from here on, `NAME:STATE?` where it is only known *as of*.
    ///
    /// # Errors
    /// What cedge says.
    pub fn tree(&self) -> Result<String, String> {
        let mut shown = Vec::new();
        let tree = self.cedge(&["tree", "-o", "json"]).json()?;
        let mut next = Some(&tree);
        while let Some(cluster) = next {
            let old = if cluster.get("asOf").is_some_and(Value::is_string) {
                "?"
            } else {
                ""
            };
            shown.push(format!(
                "{}:{}{old}",
                text(cluster, "/name"),
                text(cluster, "/state")
            ));
            next = cluster.pointer("/children/0");
        }
        Ok(shown.join(" "))
    }

    /// Waits until the tree reads like this.
    ///
    /// # Panics
    /// If it does not.
    pub fn until_tree(&self, wanted: &str) {
        crate::wait::eventually(
            &format!("the tree of {} is {wanted}", self.name),
            60,
            || match self.tree()? {
                seen if seen == wanted => Ok(()),
                seen => Err(seen),
            },
        );
    }
}
