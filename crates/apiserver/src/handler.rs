//! The way of a request: who, what, may they, is it there, then the verb.

mod find;

pub(crate) use find::unknown;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cedge_pki::Identity;
use futures::FutureExt as _;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tokio::time::Instant;

use crate::api::Api;
use crate::audit::{Audited, Stage};
use crate::authz::{self, Attributes};
use crate::body::{self, LARGE};
use crate::call::Call;
use crate::limits::REQUEST_TIME_MAX;
use crate::metrics::{Gauge, Route};
use crate::negotiate::{Accepted, Encoding, Offer, wants_pretty};
use crate::query::Query;
use crate::request::{ResourceRequest, Target, Verb};
use crate::resource::Served;
use crate::respond::{self, Body};
use crate::status::{Error, Result};
use crate::{authn, extension, impersonate, paths, subresource, verbs, websocket};
use find::{accepted, find};

/// Answers a request, whatever happens.
pub(crate) async fn handle(api: Arc<Api>, request: Request<Body>) -> Response<Body> {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let target = Target::parse(&parts.method, parts.uri.path(), &query);
    let route = route(&api, &target, &parts);
    let pretty = wants_pretty(&parts.headers, &query);
    let encoding = match Accepted::parse(&parts.headers, pretty, Offer::default()) {
        Ok(accepted) => accepted.encoding,
        Err(_) if pretty => Encoding::Pretty,
        Err(_) => Encoding::Json,
    };
    let streams = matches!(&target, Target::Resource(r) if is_stream(r, &query));
    let gauge = Gauge::up(&api.metrics.in_flight);
    let audited = Audited::new(&parts);
    let asked = Asked {
        parts,
        body,
        query,
        target,
        encoding,
        streams,
    };
    let answer = AssertUnwindSafe(answer(&api, asked, &audited)).catch_unwind();
    let (response, stage) = match answer.await {
        Ok(response) if streams => (response, Stage::ResponseStarted),
        Ok(response) => (response, Stage::ResponseComplete),
        Err(_) => {
            tracing::error!(
                verb = route.verb,
                resource = route.resource,
                "a handler panicked"
            );
            let error =
                Error::internal("this request causes apiserver to panic, look in log for details");
            (respond::error(&error, encoding), Stage::Panic)
        }
    };
    let response = audited.end(response, stage).await;
    drop(gauge);
    let took = started.elapsed();
    api.metrics.answered(
        &route,
        response.status().as_u16(),
        (!streams).then_some(took),
    );
    tracing::debug!(
        verb = route.verb,
        group = route.group,
        resource = route.resource,
        subresource = route.subresource,
        code = response.status().as_u16(),
        ?took,
        "request"
    );
    response
}

/// A request, read as far as its head says.
struct Asked {
    parts: Parts,
    body: Body,
    query: Query,
    target: Target,
    encoding: Encoding,
    /// Whether it may last as long as its client likes.
    streams: bool,
}

// === impl Asked ===

impl Asked {
    /// What is to be done to what, for whoever judges that.
    fn attributes(&self) -> Attributes {
        match &self.target {
            Target::Resource(request) => Attributes::of(request),
            Target::Path => {
                let verb = self.parts.method.as_str().to_lowercase();
                Attributes::path(&verb, self.parts.uri.path())
            }
        }
    }
}

/// Finds out who asks, and lets them wait for their turn if others are before them.
async fn answer(api: &Arc<Api>, asked: Asked, audited: &Audited) -> Response<Body> {
    let encoding = asked.encoding;
    let who = authn::authenticate(api, &asked.parts).and_then(|caller| {
        let headers = &asked.parts.headers;
        let acts_as = impersonate::asked_for(api, headers, &caller, || asked.attributes())?;
        Ok((caller, acts_as))
    });
    let (caller, acts_as) = match who {
        Ok(who) => who,
        Err(error) => return respond::error(&error, encoding),
    };
    let identity = acts_as.as_ref().map_or(&caller, |a| &a.identity).clone();
    let in_process = asked.parts.extensions.get::<authn::InProcess>().is_some();
    let place = if in_process && api.audit.is_none() {
        None
    } else {
        let attributes = asked.attributes();
        audited.begin(api, &caller, acts_as.as_ref(), &attributes, &asked.parts);
        // A watch takes a seat while it begins; other streams take none.
        let counts = !asked.streams || attributes.verb == Verb::Watch.as_str();
        let place = (!in_process && counts).then(|| api.fairness.place(&identity, &attributes));
        place.flatten()
    };
    let seat = match &place {
        None => None,
        Some(place) => match api.fairness.enter(place).await {
            Ok(seat) => Some(seat),
            Err(sent_away) => return *sent_away,
        },
    };
    // Boxed: what follows is large, and held by every request that waits.
    let streams = asked.streams;
    let done = Box::pin(decide(api, identity, asked, audited)).await;
    let mut response = done.unwrap_or_else(|error| respond::error(&error, encoding));
    if !streams {
        response = response.map(|answer| body::hold(answer, seat));
    }
    if let Some(place) = &place {
        place.mark(&mut response);
    }
    response
}

async fn decide(
    api: &Arc<Api>,
    identity: Identity,
    asked: Asked,
    audited: &Audited,
) -> Result<Response<Body>> {
    if let Some(route) = api.extensions.find(asked.parts.uri.path()) {
        return behind(api, &identity, &route, asked).await;
    }
    let Asked {
        parts,
        body,
        query,
        target,
        streams,
        ..
    } = asked;
    let request = match target {
        Target::Path => return paths::serve(api, &identity, &parts, &query).await,
        Target::Resource(request) => request,
    };
    let fields = query.get("fieldSelector").unwrap_or_default();
    authz::check(api, &identity, &Attributes::of(&request), fields)?;
    if enters_pod(&request) {
        // A WebSocket is opened by GET, yet it is no reading.
        let mut create = Attributes::of(&request);
        create.verb = "create".into();
        authz::check(api, &identity, &create, "")?;
    }
    if crate::usage::takes(api, &request) {
        let pretty = wants_pretty(&parts.headers, &query);
        return crate::usage::serve(api, &request, &query, &parts.headers, pretty).await;
    }
    let resource = find(api, &request, &parts.method)?;
    let headers = parts.headers.clone();
    let pretty = wants_pretty(&headers, &query);
    let call = Call {
        accepted: accepted(&headers, pretty, &request, &resource)?,
        identity,
        request,
        resource,
        query,
        headers,
        now: api.now(),
        warnings: Mutex::default(),
        record: audited.record(),
    };
    if let Some(warning) = call.resource.deprecation() {
        call.warn(warning);
    }
    if streams {
        return stream(api, call, parts, body).await;
    }
    let permit = match parts.extensions.get::<authn::InProcess>() {
        Some(_) => None,
        None => Some(api.limits.enter(&call.identity.user).await?),
    };
    let work = async {
        let body = body::receive(&api.limits, body, &parts.method).await?;
        audited.request(&body.bytes);
        if takes_long(&call, &body.bytes) {
            api.aside.request(dispatch(api, &call, &body.bytes)).await
        } else {
            dispatch(api, &call, &body.bytes).await
        }
    };
    let late = |_| Error::Timeout("request did not complete within the allotted timeout".into());
    let done = tokio::time::timeout(REQUEST_TIME_MAX, work).await;
    // Whoever made a mistake is warned as well.
    let mut response = match done.map_err(late).flatten() {
        Ok(response) => response.map(|answer| body::hold(answer, permit)),
        Err(error) => respond::error(&error, call.accepted.encoding),
    };
    let refused = response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE;
    if !refused {
        respond::warn(&mut response, &call.warned());
    }
    Ok(response)
}

/// A request that another server answers: whether it may be made is decided here as well.
async fn behind(
    api: &Arc<Api>,
    identity: &Identity,
    route: &extension::Route,
    asked: Asked,
) -> Result<Response<Body>> {
    api.authorizer.check(identity, &asked.attributes())?;
    let streams = matches!(&asked.target, Target::Resource(r) if r.verb == Verb::Watch);
    let _permit = match asked.parts.extensions.get::<authn::InProcess>() {
        None if !streams => Some(api.limits.enter(&identity.user).await?),
        _ => None,
    };
    let (parts, body) = (asked.parts, asked.body);
    Box::pin(extension::serve(api, identity, route, parts, body)).await
}

/// Requests that may last as long as their client likes.
async fn stream(
    api: &Arc<Api>,
    call: Call,
    mut parts: Parts,
    body: Body,
) -> Result<Response<Body>> {
    websocket::without_token(&mut parts.headers);
    if call.request.verb == Verb::Watch {
        let warnings = call.warned();
        let mut response = verbs::watch::watch(api, call).await?;
        if websocket::is_wanted(&parts.headers) {
            return Ok(websocket::carry(api, parts, response));
        }
        respond::warn(&mut response, &warnings);
        return Ok(response);
    }
    let request = Request::from_parts(parts, body);
    if call.request.subresource == "proxy" {
        return Box::pin(subresource::proxy::connect(api, &call, request)).await;
    }
    subresource::node::connect(api, call, request).await
}

fn is_stream(request: &ResourceRequest, query: &Query) -> bool {
    match request.subresource.as_str() {
        "" => request.verb == Verb::Watch,
        "exec" | "attach" | "portforward" | "proxy" => true,
        "log" => query.flag("follow") || request.verb == Verb::Get,
        _ => false,
    }
}

/// Whether a request does something in a pod, whatever its method.
fn enters_pod(request: &ResourceRequest) -> bool {
    request.verb == Verb::Get
        && matches!(
            request.subresource.as_str(),
            "exec" | "attach" | "portforward"
        )
}

/// Whether a request is worked on beside others: its body is large, or it is a program rather than an object. Policies that
/// are asked about every write are compiled as they come; so are definitions, whose schemas can be of any size.
fn takes_long(call: &Call, body: &Bytes) -> bool {
    let is_program = || {
        let resource = &call.resource;
        let groups = [crate::crds::GROUP, "admissionregistration.k8s.io"];
        groups.contains(&resource.group.as_str())
    };
    !body.is_empty() && (body.len() > LARGE || is_program())
}

async fn dispatch(api: &Arc<Api>, call: &Call, body: &Bytes) -> Result<Response<Body>> {
    if !call.request.subresource.is_empty() || !call.resource.is_stored() {
        return subresource::dispatch(api, call, body).await;
    }
    match call.request.verb {
        Verb::Get => verbs::get::get(api, call).await,
        Verb::List => verbs::list::list(api, call).await,
        Verb::Create => verbs::create::create(api, call, body).await,
        Verb::Update => verbs::update::update(api, call, body).await,
        Verb::Patch => verbs::patch::patch(api, call, body).await,
        Verb::Delete => verbs::delete::delete(api, call, body).await,
        Verb::DeleteCollection => {
            verbs::delete_collection::delete_collection(api, call, body).await
        }
        Verb::Watch | Verb::Other => Err(Error::internal("a watch is a stream")),
    }
}

/// The names under which a request is counted: of what we know, never of what a caller makes up.
fn route(api: &Api, target: &Target, parts: &Parts) -> Route {
    let unknown = |r: &ResourceRequest| {
        let resource = api.registry.find(&r.group, &r.version, &r.resource);
        resource.is_none_or(|known| known.serves(&r.subresource, "get") == Served::Unknown)
    };
    match target {
        Target::Resource(r) if unknown(r) => Route {
            verb: r.verb.as_str(),
            group: String::new(),
            resource: "unknown".into(),
            subresource: String::new(),
        },
        Target::Resource(r) => Route {
            verb: r.verb.as_str(),
            group: r.group.clone(),
            resource: r.resource.clone(),
            subresource: r.subresource.clone(),
        },
        Target::Path => Route {
            verb: "get",
            group: String::new(),
            resource: paths::template(parts.uri.path()).into(),
            subresource: String::new(),
        },
    }
}
