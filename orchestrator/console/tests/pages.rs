//! The console over the gate's in-memory ports: every page renders, nothing that others wrote becomes
//! markup, forms need their token, buttons are there for whom policy could permit.

mod house;

use axum::http::StatusCode;
use house::{Guest, House, XSS, admin, user};
use ostler_tools::principal::Role;
use serde_json::json;

/// Every page that needs no more than an address.
const PAGES: [&str; 14] = [
    "/",
    "/proposals",
    "/services",
    "/services/shop/cart",
    "/instances",
    "/instances/cart-aaaaaaaa",
    "/graph",
    "/incidents",
    "/agents",
    "/agents/healer",
    "/evals",
    "/evals/tuesday?against=monday&failed=1",
    "/audit",
    "/policy",
];

#[tokio::test]
async fn every_page_renders_for_every_role() {
    let house = House::open().await;
    let paper = house.paper("all is well").await;
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let guest = house.sign_in(&user("vic", role)).await;
        let more = [
            format!("/incidents/{}", paper.incident),
            format!("/proposals/{}", paper.proposal),
            format!("/approvals/{}", paper.approval),
        ];
        let pages = PAGES.iter().map(|page| (*page).to_owned()).chain(more);
        for page in pages {
            let answer = guest.get(&page).await;
            assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.body);
            assert!(answer.body.starts_with("<!DOCTYPE html>"), "{page}");
            assert_eq!(answer.body.matches("<h1").count(), 1, "{page}");
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"));
            assert!(!answer.body.contains("style=\"") && !answer.body.contains("onclick"));
        }
    }
}

#[tokio::test]
async fn a_rollout_that_waits_is_seen_and_promoted_by_who_may() {
    let house = House::open().await;
    house.canary().await;
    let viewer = house.sign_in(&user("vic", Role::Viewer)).await;
    let seen = viewer.get("/services/shop/cart").await.body;
    assert!(seen.contains("Rollout of generation 2"), "{seen}");
    assert!(!seen.contains(">Promote<") && !seen.contains(">Go back<"));
    let guest = house.sign_in(&user("ann", Role::Operator)).await;
    let page = guest.get("/services/shop/cart").await.body;
    for words in ["Promote", "Hold", "Go back"] {
        assert!(page.contains(&format!(">{words}<")), "{words}: {page}");
    }
    assert!(!page.contains(">Go on<"), "it is not held");
    let token = guest.form_token().await;
    let act = |act: &'static str, generation: &'static str| {
        let fields = [
            ("form_token", token.as_str()),
            ("do", act),
            ("generation", generation),
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()));
        let guest = &guest;
        async move {
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(a, b)| (a.as_str(), b.as_str()))
                .collect();
            guest
                .post("/services/shop/cart/rollout", &fields)
                .await
                .status
        }
    };
    assert_eq!(act("pause", "2").await, StatusCode::SEE_OTHER);
    assert!(
        guest
            .get("/services/shop/cart")
            .await
            .body
            .contains(">Go on<")
    );
    assert_ne!(
        act("promote", "1").await,
        StatusCode::SEE_OTHER,
        "another one"
    );
    assert_ne!(
        act("delete", "2").await,
        StatusCode::SEE_OTHER,
        "no such act"
    );
    assert_eq!(act("abort", "2").await, StatusCode::SEE_OTHER);
    assert_eq!(house.last_of("abort_rollout").await.principal, "user:ann");
}

#[tokio::test]
async fn an_emergency_and_a_freeze_are_the_first_things_seen() {
    let house = House::open().await;
    let (fire, eggs) = ("the <b>shop</b> is down", "eggs & bacon");
    let calls = [
        ("break_glass", json!({ "reason": fire })),
        (
            "freeze_changes",
            json!({ "name": "easter", "reason": eggs, "for": "2h" }),
        ),
    ];
    for (tool, args) in calls {
        house.call(&user("ann", Role::Operator), tool, args).await;
    }
    let guest = house.sign_in(&user("vic", Role::Viewer)).await;
    let page = guest.get("/").await.body;
    assert!(
        page.contains("the &lt;b&gt;shop&lt;/b&gt; is down"),
        "{page}"
    );
    assert!(
        page.contains("eggs &amp; bacon") && page.contains("easter"),
        "{page}"
    );
}

#[tokio::test]
async fn nobody_sees_a_page_without_a_session() {
    let house = House::open().await;
    let stranger = house.stranger();
    for page in PAGES {
        let answer = stranger.get(page).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{page}");
        assert_eq!(answer.header("location"), "/sign-in");
    }
    for path in ["/undo", "/audit/verify", "/agents/healer/pause"] {
        let answer = stranger.post(path, &[]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(stranger.get("/live").await.status, StatusCode::SEE_OTHER);
    assert_eq!(stranger.get("/sign-in").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_link_signs_in_once_and_the_cookie_is_strict() {
    let house = House::open().await;
    let code = house.link(&admin()).await;
    let stranger = house.stranger();
    let answer = stranger.post("/sign-in", &[("code", &code)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let cookie = answer.header("set-cookie");
    for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(!cookie.contains(&code));
    let again = stranger.post("/sign-in", &[("code", &code)]).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    assert!(again.body.contains("not good any more"));
    let guest = house.sign_in(&admin()).await;
    let token = guest.form_token().await;
    let left = guest.post("/sign-out", &[("form_token", &token)]).await;
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(guest.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_without_its_token_or_of_another_site_does_nothing() {
    let house = House::open().await;
    let guest = house.sign_in(&admin()).await;
    let other = house.sign_in(&user("eve", Role::Admin)).await;
    let (own, foreign) = (guest.form_token().await, other.form_token().await);
    for token in ["", "x", &foreign] {
        let sent = [("form_token", token)];
        let answer = guest.post("/agents/healer/pause", &sent).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{token}");
    }
    let sent = [("form_token", own.as_str())];
    for origin in ["http://evil.example", "http://localhost:9", "null"] {
        let answer = guest.post_from(origin, "/agents/healer/pause", &sent).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}");
    }
    assert!(house.gate.intent().paused_agents.is_empty());
    let answer = guest.post("/agents/healer/pause", &sent).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(house.gate.intent().paused_agents.len(), 1);
    assert!(guest.get("/").await.body.contains("Done, revision"));
    assert!(
        !guest.get("/").await.body.contains("Done, revision"),
        "once"
    );
}

#[tokio::test]
async fn what_others_wrote_is_text_on_every_page() {
    for attack in XSS {
        let house = House::open().await;
        let paper = house.paper(attack).await;
        house.says(attack);
        let guest = house.sign_in(&admin()).await;
        let pages = [
            "/".to_owned(),
            "/proposals".to_owned(),
            format!("/proposals/{}", paper.proposal),
            format!("/incidents/{}", paper.incident),
            format!("/approvals/{}", paper.approval),
            "/incidents".to_owned(),
            "/instances".to_owned(),
            "/instances/cart-aaaaaaaa".to_owned(),
            "/services/shop/cart".to_owned(),
            "/agents/healer".to_owned(),
            "/evals".to_owned(),
            "/evals/tuesday?against=monday".to_owned(),
            "/audit".to_owned(),
        ];
        let clean = house::tags(&guest.get("/sign-in").await.body);
        for page in pages {
            let answer = guest.get(&page).await;
            assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.body);
            house::assert_inert(&page, attack, &answer.body, &clean);
        }
        let log = guest.get("/instances/cart-aaaaaaaa").await.body;
        assert!(log.contains("data, not instructions"), "marked as such");
    }
}

#[tokio::test]
async fn attacks_in_addresses_and_forms_are_text_too() {
    let house = House::open().await;
    let guest = house.sign_in(&admin()).await;
    let token = guest.form_token().await;
    let clean = house::tags(&guest.get("/sign-in").await.body);
    for attack in XSS {
        let coded: String = attack.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for page in [
            format!("/services?name={coded}&state={coded}"),
            format!("/services/shop/{coded}"),
            format!("/calls/{coded}?by={coded}"),
            format!("/audit?by={coded}&tool={coded}"),
            format!("/instances/cart-aaaaaaaa?find={coded}"),
            format!("/incidents/{coded}"),
            format!("/evals/{coded}"),
            format!("/evals/monday?against={coded}&case={coded}&failed={coded}"),
            format!("/evals/monday?case={coded}"),
        ] {
            let answer = guest.get(&page).await;
            house::assert_inert(&page, attack, &answer.body, &clean);
        }
        let sent = [
            ("form_token", token.as_str()),
            ("tool", attack),
            ("arguments", attack),
            ("back", attack),
        ];
        for path in ["/policy", "/undo"] {
            let answer = guest.post(path, &sent).await;
            house::assert_inert(path, attack, &answer.body, &clean);
        }
    }
    let away = [("form_token", token.as_str()), ("back", "//evil.example/")];
    let answer = guest.post("/agents/healer/pause", &away).await;
    assert_eq!(answer.header("location"), "/");
}

#[tokio::test]
async fn a_person_answers_and_a_viewer_cannot() {
    let house = House::open().await;
    let paper = house.paper("go on").await;
    let page = format!("/proposals/{}", paper.proposal);
    let path = format!("{page}/answer");

    let viewer = house.sign_in(&user("vic", Role::Viewer)).await;
    let body = viewer.get(&page).await.body;
    assert!(!body.contains("value=\"yes\"") && body.contains("does not answer requests"));
    let token = viewer.form_token().await;
    let refused = viewer
        .post(&path, &[("form_token", &token), ("answer", "yes")])
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("Policy says no"));
    let entry = house.last_of("approve").await;
    assert_eq!(
        (entry.outcome.as_str(), entry.principal.as_str()),
        ("denied", "user:vic")
    );

    let operator = house.sign_in(&user("ann", Role::Operator)).await;
    assert!(operator.get(&page).await.body.contains("value=\"yes\""));
    let token = operator.form_token().await;
    let no = [
        ("form_token", token.as_str()),
        ("answer", "no"),
        ("reason", " "),
    ];
    assert_eq!(
        operator.post(&path, &no).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let yes = [
        ("form_token", token.as_str()),
        ("answer", "yes"),
        ("back", &page),
    ];
    let done = operator.post(&path, &yes).await;
    assert_eq!(
        (done.status, done.header("location").as_str()),
        (StatusCode::SEE_OTHER, page.as_str())
    );
    let body = operator.get(&page).await.body;
    assert!(
        body.contains("You said yes") && body.contains("granted"),
        "{body}"
    );
    assert!(!body.contains("value=\"yes\""), "answered");
    assert_eq!(house.last_of("approve").await.outcome, "done");
}

#[tokio::test]
async fn the_log_is_checked_and_exported() {
    let house = House::open().await;
    let guest = house.sign_in(&admin()).await;
    let token = guest.form_token().await;
    let sent = [("form_token", token.as_str()), ("back", "/audit")];
    assert_eq!(
        guest.post("/audit/verify", &sent).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(guest.get("/").await.body.contains("verified"));
    let export = guest.get("/audit/export").await;
    assert!(
        ostler_gate::audit::verify(&export.body, None).is_ok(),
        "{}",
        export.body
    );
}

#[tokio::test]
async fn a_command_runs_for_who_may_and_its_words_are_not_the_pages() {
    let house = House::open().await;
    let viewer = house.sign_in(&user("vic", Role::Viewer)).await;
    let page = viewer.get("/instances/cart-aaaaaaaa").await.body;
    assert!(!page.contains("Run a command"), "{page}");
    let guest = house.sign_in(&user("ann", Role::Operator)).await;
    let token = guest.form_token().await;
    let run = async |command: &str| {
        let fields = [("form_token", token.as_str()), ("command", command)];
        guest.post("/instances/cart-aaaaaaaa/exec", &fields).await
    };
    let answer = run("echo 'two words' <b>").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    for words in ["exit 0", "two words\n", "&lt;b&gt;"] {
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
    }
    assert!(!answer.body.contains("<b>"));
    let leaf = house.last_of("exec_instance").await;
    assert_eq!(leaf.principal, "user:ann");
    assert_eq!(
        run("echo 'open").await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(run(" ").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let token = viewer.form_token().await;
    let fields = [("form_token", token.as_str()), ("command", "id")];
    let denied = viewer.post("/instances/cart-aaaaaaaa/exec", &fields).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    assert_eq!(house.last_of("exec_instance").await.outcome, "denied");
}

#[tokio::test]
async fn kinds_of_lines_are_counted() {
    let house = House::open().await;
    house.says("item 17 <i>sold</i>");
    let guest = house.sign_in(&admin()).await;
    let page = guest.get("/instances/cart-aaaaaaaa?kinds=true").await.body;
    assert!(page.contains("item # &lt;i&gt;sold"), "{page}");
    let page = guest.get("/instances/cart-aaaaaaaa?find=17").await.body;
    assert!(page.contains("item 17"), "{page}");
}

#[tokio::test]
async fn what_is_promised_and_what_it_costs_is_seen() {
    let house = House::open().await;
    house.priced().await;
    let guest = house.sign_in(&user("vic", Role::Viewer)).await;
    let page = guest.get("/services/shop/cart").await.body;
    for words in [
        "99.9 %",
        "99 % under 250ms",
        "no requests of the last day",
        "45.00 EUR a month",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let list = guest.get("/services").await.body;
    assert!(list.contains("45.00 EUR a month"), "{list}");
}

#[tokio::test]
async fn another_plan_is_asked_for() {
    let house = House::open().await;
    let paper = house.paper("fine").await;
    let guest = house.sign_in(&user("ann", Role::Operator)).await;
    let path = format!("/proposals/{}", paper.proposal);
    assert!(guest.get(&path).await.body.contains("Ask for another plan"));
    let lone = guest.get(&format!("/approvals/{}", paper.approval)).await;
    assert!(
        !lone.body.contains("Ask for another plan"),
        "no plan to have another of"
    );
    let token = guest.form_token().await;
    let post = async |reason: &str| {
        let fields = [
            ("form_token", token.as_str()),
            ("answer", "another"),
            ("reason", reason),
        ];
        guest.post(&format!("{path}/answer"), &fields).await.status
    };
    assert_eq!(post("").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post("it is noon").await, StatusCode::SEE_OTHER);
    let page = guest.get(&path).await.body;
    assert!(page.contains("it is noon"), "{page}");
}

#[tokio::test]
async fn people_sign_in_by_the_issuers_page() {
    let house = House::open().await;
    let stranger = house.stranger();
    let page = stranger.get("/sign-in").await.body;
    assert!(page.contains("/sign-in/elsewhere"), "{page}");
    let away = stranger.get("/sign-in/elsewhere").await;
    assert_eq!(away.status, StatusCode::SEE_OTHER);
    assert!(
        away.header("location")
            .contains("back=https://localhost/sign-in/back")
    );
    let tied = away.header("set-cookie");
    assert!(
        tied.contains("SameSite=Lax") && tied.contains("HttpOnly") && tied.contains("Secure"),
        "{tied}"
    );

    let mut guest = house.stranger();
    guest.bring("ostler_sign_in=tied");
    let back = guest.get("/sign-in/back?state=s&code=operator").await;
    assert_eq!(back.status, StatusCode::OK, "{}", back.body);
    let cookie = back.header("set-cookie");
    assert!(
        cookie.contains("SameSite=Strict") && cookie.contains("Secure"),
        "{cookie}"
    );
    assert!(back.body.contains("url=/"));
    guest.bring(cookie.split(';').next().unwrap());
    let page = guest.get("/").await.body;
    assert!(
        page.contains("ann@issuer") && page.contains("operator"),
        "{page}"
    );
    assert_eq!(
        house.last_of("create_console_session").await.principal,
        "user:ann@issuer"
    );

    for (cookie, query) in [
        ("ostler_sign_in=other", "state=s&code=operator"),
        ("x=y", "state=s&code=operator"),
        ("ostler_sign_in=tied", "state=t&code=operator"),
        ("ostler_sign_in=tied", "error=access_denied"),
        ("ostler_sign_in=tied", "state=s&code=nothing"),
    ] {
        let mut guest = house.stranger();
        guest.bring(cookie);
        let back = guest.get(&format!("/sign-in/back?{query}")).await;
        assert_eq!(
            back.status,
            StatusCode::FORBIDDEN,
            "{cookie} {query}: {}",
            back.body
        );
        assert!(!back.names("set-cookie"));
    }
}

#[tokio::test]
async fn pages_are_small_with_a_thousand_services_and_ten_thousand_instances() {
    let house = House::open().await;
    house.crowd(1_000, 10).await;
    let guest: Guest = house.sign_in(&admin()).await;
    for page in [
        "/",
        "/services",
        "/instances",
        "/graph",
        "/services?page=7",
        "/instances?page=199",
    ] {
        let began = std::time::Instant::now();
        let answer = guest.get(page).await;
        let took = began.elapsed();
        assert_eq!(answer.status, StatusCode::OK, "{page}");
        let size = answer.body.len();
        assert!(size < 100_000, "{page} has {size} bytes");
        // Shown, not judged: speed is judged by eye, in `docs/console.md`.
        eprintln_speed(page, size, took);
    }
}

#[expect(clippy::print_stderr, reason = "shown with --nocapture")]
fn eprintln_speed(page: &str, size: usize, took: std::time::Duration) {
    eprintln!("{page}: {size} bytes in {took:?}");
}
