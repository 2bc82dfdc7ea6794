//! Validating webhooks: all that are meant are asked at once, and each can refuse.

use futures::future::BoxFuture;
use serde_json::Value;

use super::call::{Failure, heed};
use super::{Deed, Webhook, seen_as};
use crate::admission::hooks::Shown;
use crate::status::Result;

pub(crate) async fn judge(
    shown: &Shown,
    deed: &Deed<'_>,
    object: Option<&Value>,
    old: Option<&Value>,
) -> Result<()> {
    let mut asking: Vec<BoxFuture<'_, Result<()>>> = Vec::new();
    for (index, hook) in shown.validating.iter().enumerate() {
        if let Some(asked) = hook.is_for(deed, object, old).await? {
            let object = seen_as(deed, &asked, object).await?;
            let old = seen_as(deed, &asked, old).await?;
            asking.push(Box::pin(async move {
                let answer = hook.ask(deed, &asked, object.as_ref(), old.as_ref(), false);
                match answer.await {
                    Ok(mut answer) => heed(deed, &mut answer),
                    Err(failure) => passed_over(deed, hook, index, failure),
                }
            }));
        }
    }
    let answers = futures::future::join_all(asking).await;
    answers.into_iter().collect()
}

fn passed_over(deed: &Deed<'_>, hook: &Webhook, index: usize, failure: Failure) -> Result<()> {
    match failure {
        Failure::Refused(error) => Err(error),
        Failure::Calling(why) if hook.fail_open => {
            tracing::warn!(
                webhook = hook.name,
                why,
                "a webhook could not be asked, and is passed over"
            );
            deed.call.annotate(
                format!("failed-open.validating.webhook.admission.k8s.io/round_0_index_{index}"),
                hook.name.clone(),
            );
            Ok(())
        }
        Failure::Calling(why) => {
            tracing::warn!(webhook = hook.name, why, "a webhook could not be asked");
            Err(hook.failed(&why))
        }
    }
}
