use super::*;

fn cause(field: &str, message: &str) -> Cause {
    Cause {
        reason: "FieldValueRequired".into(),
        message: message.into(),
        field: field.into(),
    }
}

#[test]
fn an_object_that_is_missing_is_named_with_its_group() {
    let error = Error::NotFound(About::new("apps", "deployments", "web"));
    assert_eq!(error.to_string(), "deployments.apps \"web\" not found");
    assert_eq!(
        error.status(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "NotFound", "code": 404,
            "message": "deployments.apps \"web\" not found", "details": {"name": "web", "group": "apps", "kind": "deployments"},
        })
    );
}

#[test]
fn one_mistake_stands_alone_and_several_in_brackets() {
    let about = About::new("", "Pod", "web");
    let one = Error::Invalid(
        about.clone(),
        vec![cause("spec.containers", "Required value")],
    );
    assert_eq!(
        one.to_string(),
        "Pod \"web\" is invalid: spec.containers: Required value"
    );
    let two = Error::Invalid(
        about,
        vec![cause("a", "x"), cause("b", "y"), cause("a", "x")],
    );
    assert_eq!(two.to_string(), "Pod \"web\" is invalid: [a: x, b: y]");
    assert_eq!(two.code(), 422);
}

#[test]
fn a_conflict_keeps_the_words_of_kubernetes() {
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    let error = Error::Conflict(About::new("", "configmaps", "a"), why.into());
    assert_eq!(
        error.to_string(),
        format!("Operation cannot be fulfilled on configmaps \"a\": {why}")
    );
}

#[test]
fn a_list_that_is_too_old_can_be_continued() {
    let error = Error::Expired("too old".into(), Some("token".into()));
    assert_eq!(error.status()["metadata"]["continue"], "token");
    assert_eq!(error.status()["code"], 410);
}
