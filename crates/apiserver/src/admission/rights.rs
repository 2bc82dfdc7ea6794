//! Answers the questions of rights that expressions ask.

use std::sync::Arc;

use cedge_crd::cel::authorizer::{Answer, Authorizer, Question};
use cedge_pki::Identity;

use super::deed::Deed;
use crate::authz::{self, Attributes};

/// The roles, and for whom they are asked.
struct Rights {
    roles: Arc<authz::Authorizer>,
    user: Identity,
}

/// Who answers, and the question about the request's own resource.
pub(super) fn of(deed: &Deed<'_>) -> (Arc<dyn Authorizer>, Question) {
    let request = &deed.request;
    let rights = Rights {
        roles: deed.api.authorizer.clone(),
        user: deed.call.identity.clone(),
    };
    let question = Question {
        group: request.resource.group.clone(),
        resource: request.resource.name.clone(),
        subresource: request.subresource.clone(),
        namespace: request.namespace.clone(),
        name: request.name.clone(),
        ..Question::default()
    };
    (Arc::new(rights), question)
}

// === impl Rights ===

impl Authorizer for Rights {
    fn decide(&self, question: &Question) -> Answer {
        let account;
        let user = match &question.service_account {
            None => &self.user,
            Some((namespace, name)) => {
                account = Identity::authenticated(
                    format!("system:serviceaccount:{namespace}:{name}"),
                    [
                        "system:serviceaccounts".to_owned(),
                        format!("system:serviceaccounts:{namespace}"),
                    ],
                );
                &account
            }
        };
        let attributes = match &question.path {
            Some(path) => Attributes::path(&question.verb, path),
            None => Attributes {
                verb: question.verb.clone(),
                group: question.group.clone(),
                version: "*".into(),
                resource: question.resource.clone(),
                subresource: question.subresource.clone(),
                namespace: question.namespace.clone(),
                name: question.name.clone(),
                path: String::new(),
            },
        };
        let decision = self.roles.decide(user, &attributes);
        Answer {
            allowed: decision.is_allowed(),
            reason: decision.reason().to_owned(),
            error: None,
        }
    }
}
