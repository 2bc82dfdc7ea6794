//! Worker: the Kubernetes API over the store.
//!
//! What it is: every verb of the Kubernetes API, generic over what is served (the built-in kinds of crate `kinds`, and
//! what CustomResourceDefinitions define), for kubectl and kube-rs. The way of a request stands in [`handler`]; every
//! object is cached once as bytes ([`cache`]), which lists and watches send as they are; every change goes through one
//! loop of read, change, check and compare-and-swap (`verbs/update.rs`).
//! What it never does: know what a Mission, a link or a tree is; act on objects (controllers do), but for the definitions
//! of custom resources.
//! Start reading at [`handler`], then `verbs/`.

mod addresses;
mod admission;
mod aggregation;
mod api;
mod aside;
mod audit;
mod authn;
mod authz;
mod body;
mod bootstrap;
mod cache;
mod call;
mod client;
mod config;
mod crds;
mod decode;
mod documents;
mod expiry;
mod extension;
mod fairness;
mod handler;
mod impersonate;
mod joined;
mod limits;
mod managed;
mod meta;
mod metrics;
mod negotiate;
mod outbound;
mod paths;
mod protobuf;
mod prune;
mod query;
mod registry;
mod request;
mod resource;
mod respond;
mod selector;
mod server;
mod service;
mod status;
mod statuses;
mod stored;
mod subresource;
mod usage;
mod verbs;
mod websocket;

pub use audit::{AuditConfig, AuditPolicy, PolicyError};
pub use authn::InProcess;
pub use cedge_pki::Identity;
pub use config::{
    ByteStream, Config, ConnectError, GroupResource, NoNodes, NodeConnector, SharedRegistry,
    StaticToken, unattended,
};
pub use extension::FrontProxy;
pub use paths::GIT_VERSION;
pub use respond::{Body, BoxError};
pub use server::{ApiServer, StartError};
pub use service::ApiService;
pub use status::{About, Cause, Error};
