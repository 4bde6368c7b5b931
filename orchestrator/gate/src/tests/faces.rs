//! Resources, prompts and completions over MCP of both revisions: other faces of the same calls.

use std::{sync::Arc, time::Duration};

use ostler_tools::principal::{Principal, Role};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient,
    model::{
        ArgumentInfo, CompleteRequestParams, GetPromptRequestParams, ProtocolVersion,
        ReadResourceRequestParams, Reference, ResourceContents, ResourceUpdatedNotificationParam,
        ServerNotification, SubscribeRequestParams, SubscriptionFilter,
    },
    service::{NotificationContext, RunningService},
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{House, done, house, operator, scale, user};
use crate::mcp::serve_pipe;

/// A client that passes on which resources it was told of.
struct Told(mpsc::UnboundedSender<String>);

impl ClientHandler for Told {
    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        let _gone = self.0.send(params.uri);
    }
}

type Client = RunningService<RoleClient, Told>;

fn newest() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    }
}

async fn connect(
    house: &House,
    caller: Principal,
    lifecycle: ClientLifecycleMode,
) -> (Client, mpsc::UnboundedReceiver<String>) {
    let (theirs, ours) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve_pipe(Arc::clone(&house.gate) as _, caller, ours));
    let (tell, told) = mpsc::unbounded_channel();
    let client = Told(tell)
        .serve_with_lifecycle(theirs, lifecycle)
        .await
        .unwrap();
    (client, told)
}

async fn read(client: &Client, uri: &str) -> Result<Value, String> {
    let read = client
        .read_resource(ReadResourceRequestParams::new(uri))
        .await;
    let read = read.map_err(|error| error.to_string())?;
    match &read.contents[0] {
        ResourceContents::TextResourceContents { text, .. } => {
            Ok(serde_json::from_str(text).unwrap())
        }
        other => panic!("not text: {other:?}"),
    }
}

#[tokio::test]
async fn a_resource_is_a_read_that_is_judged_and_recorded() {
    let house = house().await;
    for lifecycle in [ClientLifecycleMode::Initialize, newest()] {
        let (client, _) = connect(&house, user("vic", Role::Viewer), lifecycle).await;
        let service = read(&client, "ostler://services/shop/cart").await.unwrap();
        assert_eq!(service["summary"]["service"], "shop/cart");
        let leaf = house.last().await;
        assert_eq!(
            (leaf.tool.as_str(), leaf.principal.as_str()),
            ("get_service", "user:vic")
        );
        let head = read(&client, "ostler://audit/checkpoint").await.unwrap();
        assert!(
            head["checkpoint"]
                .as_str()
                .unwrap()
                .starts_with("ostler.dev/audit\n"),
            "{head}"
        );
        let missing = read(&client, "ostler://services/shop/none")
            .await
            .unwrap_err();
        assert!(missing.contains("shop/none"), "{missing}");
        assert!(
            read(&client, "file:///etc/passwd")
                .await
                .unwrap_err()
                .contains("no resource")
        );
        let listed = client.list_all_resources().await.unwrap();
        assert!(
            listed
                .iter()
                .any(|resource| resource.uri == "ostler://services/shop/cart")
        );
    }
}

#[tokio::test]
async fn nobody_reads_by_address_what_they_may_not_read_by_tool() {
    let house = house().await;
    let (client, _) = connect(&house, Principal::Anonymous, newest()).await;
    let denied = read(&client, "ostler://audit/checkpoint")
        .await
        .unwrap_err();
    assert!(denied.contains("denied by policy"), "{denied}");
    let listed = client.list_all_resources().await.unwrap();
    assert_eq!(listed, []);
}

#[tokio::test]
async fn who_listens_is_told_that_a_service_moved() {
    let house = house().await;
    let (client, _) = connect(&house, user("vic", Role::Viewer), newest()).await;
    let wanted = SubscriptionFilter::builder()
        .resource_subscriptions([
            "ostler://services/shop/cart".to_owned(),
            "file:///etc/passwd".to_owned(),
        ])
        .build();
    let mut subscription = client.listen(wanted).await.unwrap();
    let accepted = subscription
        .acknowledged()
        .resource_subscriptions
        .clone()
        .unwrap();
    assert_eq!(
        accepted,
        ["ostler://services/shop/cart"],
        "only what there is"
    );
    done(house.call(&operator(), "scale_service", scale(7)).await);
    let told = tokio::time::timeout(Duration::from_secs(30), subscription.next())
        .await
        .unwrap();
    match told.unwrap() {
        Some(ServerNotification::ResourceUpdatedNotification(told)) => {
            assert_eq!(told.params.uri, "ostler://services/shop/cart");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
#[expect(deprecated, reason = "that revision's way")]
async fn a_session_of_the_earlier_revision_subscribes_one_by_one() {
    let house = house().await;
    let (client, mut told) = connect(
        &house,
        user("vic", Role::Viewer),
        ClientLifecycleMode::Initialize,
    )
    .await;
    let uri = "ostler://services/shop/cart";
    client
        .subscribe(SubscribeRequestParams::new(uri))
        .await
        .unwrap();
    done(house.call(&operator(), "scale_service", scale(7)).await);
    let first = tokio::time::timeout(Duration::from_secs(30), told.recv())
        .await
        .unwrap();
    assert_eq!(first.as_deref(), Some(uri));
    assert!(
        client
            .subscribe(SubscribeRequestParams::new("ostler://secrets"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn prompts_and_completions_help_to_ask() {
    let house = house().await;
    let (client, _) = connect(&house, user("vic", Role::Viewer), newest()).await;
    let prompts = client.list_all_prompts().await.unwrap();
    assert!(
        prompts
            .iter()
            .any(|prompt| prompt.name == "why_is_it_unwell")
    );
    let given = serde_json::json!({ "service": "shop/cart" });
    let asked = GetPromptRequestParams::new("why_is_it_unwell")
        .with_arguments(given.as_object().unwrap().clone());
    let prompt = client.get_prompt(asked).await.unwrap();
    assert_eq!(prompt.messages.len(), 2);
    let complete = |name: &str, typed: &str| {
        let argument = ArgumentInfo::new(name, typed);
        client.complete(CompleteRequestParams::new(
            Reference::for_prompt("why_is_it_unwell"),
            argument,
        ))
    };
    assert_eq!(
        complete("service", "car").await.unwrap().completion.values,
        ["shop/cart"]
    );
    assert!(
        complete("service", "zzz")
            .await
            .unwrap()
            .completion
            .values
            .is_empty()
    );
    assert!(
        complete("other", "")
            .await
            .unwrap()
            .completion
            .values
            .is_empty()
    );
}
