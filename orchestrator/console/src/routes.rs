//! Which path is which page. Everything but signing in and the look of it needs a session.

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use ostler_gate::Reception;
use tokio_util::sync::CancellationToken;

use crate::{
    act, assets, elsewhere::Elsewhere, guard, live, pages, problem::Problem, sign_in,
    state::Console,
};

/// The console's pages, to be served at `/` beside the other doors. People may sign in `elsewhere` too; whoever
/// follows is let go at `stop`.
pub fn router(
    gate: Arc<dyn Reception>,
    elsewhere: Option<Arc<dyn Elsewhere>>,
    stop: CancellationToken,
) -> Router {
    let looks = Router::new()
        .route("/", get(pages::night::show))
        .route("/approvals/{id}", get(pages::approval::show))
        .route("/proposals", get(pages::proposals::show))
        .route("/proposals/{id}", get(pages::proposal::show))
        .route("/services", get(pages::services::show))
        .route("/services/{namespace}/{name}", get(pages::service::show))
        .route("/instances", get(pages::instances::show))
        .route("/instances/{id}", get(pages::instance::show))
        .route("/graph", get(pages::graph::show))
        .route("/incidents", get(pages::incidents::show))
        .route("/incidents/{id}", get(pages::incident::show))
        .route("/agents", get(pages::agents::show))
        .route("/agents/{name}", get(pages::agent::show))
        .route("/evals", get(pages::evals::show))
        .route("/evals/{name}", get(pages::eval::show))
        .route("/audit", get(pages::audit::show))
        .route("/audit/export", get(pages::audit::export))
        .route("/calls/{id}", get(pages::audit::call))
        .route("/policy", get(pages::policy::show));
    let acts = Router::new()
        .route("/approvals/{id}/answer", post(act::answer))
        .route("/proposals/{id}/answer", post(act::answer))
        .route("/undo", post(act::undo))
        .route("/agents/{name}/pause", post(act::pause))
        .route("/agents/{name}/resume", post(act::resume))
        .route(
            "/services/{namespace}/{name}/rollback",
            post(act::roll_back),
        )
        .route("/services/{namespace}/{name}/restart", post(act::restart))
        .route("/services/{namespace}/{name}/rollout", post(act::rollout))
        .route("/instances/{id}/exec", post(pages::exec::run))
        .route("/audit/verify", post(pages::audit::verify))
        .route("/policy", post(pages::policy::explain));
    let doors = Router::new()
        .route("/sign-in", get(sign_in::form).post(sign_in::enter))
        .route("/sign-in/elsewhere", get(crate::elsewhere::begin))
        .route("/sign-in/back", get(crate::elsewhere::finish))
        .route("/sign-out", post(sign_in::leave))
        .route("/live", get(live::follow))
        .route("/assets/{name}", get(assets::serve));
    looks
        .merge(acts)
        .merge(doors)
        .fallback(|| async { Problem::NoPage })
        .layer(middleware::from_fn(guard::guard))
        .with_state(Console::new(gate, elsewhere, stop))
}
