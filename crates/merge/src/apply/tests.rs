use super::*;
use cedge_schema::{TypeRef, Types};
use serde_json::json;

mod exchanges;
mod laws;
