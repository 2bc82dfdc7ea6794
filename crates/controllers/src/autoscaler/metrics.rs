//! What the metrics APIs of a cluster say: of resources, and of what others measure where they have registered.

use cedge_informer::escape;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde_json::Value;

use super::replicas::{Sample, Samples};
use crate::error::{Answer as _, message};

/// What a value is measured over where nobody says.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// What one container (or the whole pod) uses of a resource, by pod.
///
/// # Errors
/// In the words of Kubernetes.
pub(super) async fn resource(
    client: &Client,
    namespace: &str,
    selector: &str,
    resource: &str,
    container: Option<&str>,
) -> Result<Samples, String> {
    let path = format!(
        "/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods?labelSelector={}",
        escape(selector)
    );
    let list = get(client, &path).await.map_err(|e| {
        format!(
            "unable to fetch metrics from resource metrics API: {}",
            message(&e)
        )
    })?;
    let items = list["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if items.is_empty() {
        return Err("no metrics returned from resource metrics API".into());
    }
    let samples = items.iter().filter_map(|item| {
        let containers = item["containers"].as_array()?;
        let mut wanted = containers
            .iter()
            .filter(|c| container.is_none_or(|name| c["name"] == name))
            .peekable();
        wanted.peek()?;
        let values = wanted.map(|c| milli(&c["usage"][resource]));
        let value = values.sum::<Option<i64>>()?;
        let name = item["metadata"]["name"].as_str()?;
        let at = time(&item["timestamp"])?;
        let window = item["window"].as_str().and_then(|w| w.parse().ok());
        let window = window.unwrap_or(WINDOW);
        Some((name.to_owned(), Sample { value, at, window }))
    });
    Ok(samples.collect())
}

/// A metric of each pod, from whoever serves custom metrics.
pub(super) async fn of_pods(
    client: &Client,
    namespace: &str,
    selector: &str,
    metric: &Value,
) -> Result<Samples, String> {
    let name = metric["name"].as_str().unwrap_or_default();
    let of = format!("pods/*/{name}");
    let list = custom(client, namespace, &of, Some(selector), metric).await?;
    let items = list["items"].as_array().into_iter().flatten();
    let samples = items.filter_map(|item| {
        let pod = item["describedObject"]["name"].as_str()?;
        let window = item["windowSeconds"]
            .as_i64()
            .map(SignedDuration::from_secs);
        let sample = Sample {
            value: milli(&item["value"])?,
            at: time(&item["timestamp"])?,
            window: window.unwrap_or(WINDOW),
        };
        Some((pod.to_owned(), sample))
    });
    let samples: Samples = samples.collect();
    if samples.is_empty() {
        return Err("no metrics returned from custom metrics API".into());
    }
    Ok(samples)
}

/// A metric of one object, in thousandths.
pub(super) async fn of_object(
    client: &Client,
    namespace: &str,
    plural: &str,
    name: &str,
    metric: &Value,
) -> Result<i64, String> {
    let of = format!(
        "{plural}/{name}/{}",
        metric["name"].as_str().unwrap_or_default()
    );
    let list = custom(client, namespace, &of, None, metric).await?;
    let first = list["items"].as_array().and_then(|items| items.first());
    let value = first.and_then(|item| milli(&item["value"]));
    value.ok_or_else(|| "no metrics returned from custom metrics API".to_owned())
}

/// The sum of a metric that belongs to no object of the cluster, in thousandths.
pub(super) async fn external(
    client: &Client,
    namespace: &str,
    metric: &Value,
) -> Result<i64, String> {
    const FAILED: &str = "unable to fetch metrics from external metrics API";
    let name = metric["name"].as_str().unwrap_or_default();
    let path = format!(
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{name}?labelSelector={}",
        escape(&selector_text(&metric["selector"]))
    );
    let list = get(client, &path)
        .await
        .map_err(|e| format!("{FAILED}: {}", message(&e)))?;
    let items = list["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if items.is_empty() {
        return Err("no metrics returned from external metrics API".into());
    }
    let values = items.iter().map(|item| milli(&item["value"]));
    let sum = values.sum::<Option<i64>>();
    sum.ok_or_else(|| format!("{FAILED}: a value is no quantity"))
}

async fn custom(
    client: &Client,
    namespace: &str,
    of: &str,
    selector: Option<&str>,
    metric: &Value,
) -> Result<Value, String> {
    const FAILED: &str = "unable to fetch metrics from custom metrics API";
    let group = match get(client, "/apis/custom.metrics.k8s.io").await {
        Ok(group) => group,
        Err(e) if e.is_not_found() => {
            return Err(format!(
                "{FAILED}: no custom metrics API (custom.metrics.k8s.io) registered"
            ));
        }
        Err(e) => return Err(format!("{FAILED}: {}", message(&e))),
    };
    let version = group["preferredVersion"]["version"]
        .as_str()
        .unwrap_or("v1beta2");
    let mut path = format!(
        "/apis/custom.metrics.k8s.io/{version}/namespaces/{namespace}/{of}?metricLabelSelector={}",
        escape(&selector_text(&metric["selector"]))
    );
    if let Some(selector) = selector {
        path.push_str(&format!("&labelSelector={}", escape(selector)));
    }
    get(client, &path)
        .await
        .map_err(|e| format!("{FAILED}: {}", message(&e)))
}

async fn get(client: &Client, path: &str) -> Result<Value, kube::Error> {
    let request = Request::get(path).body(Vec::new());
    client
        .request(request.map_err(kube::Error::HttpError)?)
        .await
}

/// A selector as objects write it, as a query writes it.
fn selector_text(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut terms: Vec<String> = labels
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    for term in selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let key = term["key"].as_str().unwrap_or_default();
        let values = term["values"].as_array().into_iter().flatten();
        let values: Vec<&str> = values.filter_map(Value::as_str).collect();
        let values = values.join(",");
        terms.push(match term["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    terms.join(",")
}

fn milli(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    Some(text.parse::<cedge_kinds::Quantity>().ok()?.millis())
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_written_as_queries_write_them() {
        let selector = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["d", "e"]}, {"key": "f", "operator": "DoesNotExist"}]});
        assert_eq!(selector_text(&selector), "a=b,c in (d,e),!f");
        assert_eq!(escape("a=b,!c").to_string(), "a%3Db%2C%21c");
        assert_eq!(milli(&json!("250000000n")), Some(250));
    }
}
