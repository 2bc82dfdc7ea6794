//! Both sides: our server without a node, and the control plane of Kubernetes.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use cedge_benches::api::Target;
use cedge_benches::kubernetes::Kubernetes;
use cedge_benches::process::Used;
use cedge_benches::site::Site;

pub(crate) struct Sides {
    pub(crate) ours: Site,
    pub(crate) theirs: Kubernetes,
}

/// One of them, while it runs.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    pub(crate) processes: Vec<(&'static str, u32)>,
}

impl Sides {
    /// Not started yet; `None` if there is no Kubernetes here.
    pub(crate) fn new(folder: &Path) -> Result<Option<Self>> {
        let Some(theirs) = Kubernetes::here(folder, "theirs")? else {
            return Ok(None);
        };
        let ours = Site::new(folder, "ours", &["--without", "node"])?;
        Ok(Some(Self { ours, theirs }))
    }

    pub(crate) async fn start(&mut self) -> Result<()> {
        self.ours.start().await?;
        self.theirs.start().await
    }

    /// Ours first.
    pub(crate) fn both(&self) -> Result<[Side; 2]> {
        Ok([
            Side {
                name: "ours",
                target: self.ours.target()?,
                processes: vec![("cedge server", self.ours.id()?)],
            },
            Side {
                name: "Kubernetes",
                target: self.theirs.target()?,
                processes: self.theirs.processes(),
            },
        ])
    }
}

impl Side {
    /// Processor time of all of its processes until now.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.processes
            .iter()
            .map(|(_, id)| Ok(Used::by(*id)?.cpu))
            .sum()
    }
}
