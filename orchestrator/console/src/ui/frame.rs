//! The frame of every page: head, navigation, who is signed in.

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, html};
use ostler_core::time::Time;
use ostler_tools::principal::Role;

use crate::visit::FORM_TOKEN;

/// What a person could be permitted; the gate said so, and decides anew on every call.
#[derive(Debug, Clone, Default)]
pub struct May {
    /// Tools that policy could permit them.
    pub tools: BTreeSet<&'static str>,
    /// Their roles.
    pub roles: Vec<Role>,
}

impl May {
    /// Whether policy could permit them this tool at all.
    #[must_use]
    pub fn tool(&self, name: &str) -> bool {
        self.tools.contains(name)
    }
}

/// What a page is put into.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The page's title.
    pub title: String,
    /// The page's path, for forms to come back to.
    pub path: String,
    /// Who is signed in.
    pub you: String,
    /// What they could be permitted.
    pub may: May,
    /// For forms.
    pub form_token: String,
    /// Words of the action before.
    pub told: Option<String>,
    /// Now, by the gate's clock.
    pub now: Time,
}

/// The pages that the navigation names: path, name, key.
const PLACES: [(&str, &str, &str); 9] = [
    ("/", "Night desk", "n"),
    ("/incidents", "Incidents", "i"),
    ("/proposals", "Proposals", "p"),
    ("/services", "Services", "s"),
    ("/graph", "Graph", "d"),
    ("/agents", "Agents", "a"),
    ("/evals", "Evals", "e"),
    ("/audit", "Audit", "l"),
    ("/policy", "Policy", "o"),
];

impl Frame {
    /// The whole page. `body` is brought up to date when something happens.
    #[must_use]
    pub fn page(&self, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                (head(&self.title))
                body data-live-url="/live" {
                    a.skip href="#main" { "Skip to the page" }
                    (self.side())
                    main #main tabindex="-1" {
                        @if let Some(told) = &self.told {
                            p.told role="status" { (told) }
                        }
                        div #live data-live { (body) }
                    }
                    p #said .unseen role="status" aria-live="polite" {}
                    (keys())
                }
            }
        }
    }

    fn side(&self) -> Markup {
        html! {
            header.side {
                a.brand href="/" { img src="/assets/icon.svg" alt="" width="22" height="22"; "Ostler" }
                nav aria-label="Pages" {
                    ul {
                        @for (path, name, key) in PLACES {
                            li { a href=(path) data-key=(key) aria-current=[self.here(path).then_some("page")] { (name) } }
                        }
                    }
                }
                div.who {
                    p { span.quiet { "Signed in as " } strong { (self.you) } " " span.quiet { "(" (self.role()) ")" } }
                    p.follow #follow data-state="off" { "Live updates need scripts" }
                    form method="post" action="/sign-out" { (self.token()) button.plain type="submit" { "Sign out" } }
                }
            }
        }
    }

    fn here(&self, path: &str) -> bool {
        self.path == path || (path != "/" && self.path.starts_with(&format!("{path}/")))
    }

    fn role(&self) -> &'static str {
        self.may
            .roles
            .iter()
            .max()
            .map_or("no role", |role| role.as_str())
    }

    /// The field that shows a form to be ours.
    #[must_use]
    pub fn token(&self) -> Markup {
        html! { input type="hidden" name=(FORM_TOKEN) value=(self.form_token); }
    }

    /// A form of one button that comes back here.
    #[must_use]
    pub fn button(
        &self,
        action: &str,
        fields: &[(&str, &str)],
        label: &str,
        class: &str,
    ) -> Markup {
        html! {
            form.inline method="post" action=(action) {
                (self.token())
                input type="hidden" name="back" value=(self.path);
                @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
                button class=(class) type="submit" { (label) }
            }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            title { (title) " · Ostler" }
            link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
            link rel="stylesheet" href="/assets/console.css";
            script src="/assets/console.js" defer {}
        }
    }
}

/// A page for people who are not signed in, or who are told that something went wrong.
#[must_use]
pub fn bare(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body.bare {
                main #main {
                    p.brand { img src="/assets/icon.svg" alt="" width="22" height="22"; "Ostler" }
                    (body)
                }
            }
        }
    }
}

/// What the keys do; the script opens it.
fn keys() -> Markup {
    html! {
        dialog #keys aria-labelledby="keys-title" {
            h2 #keys-title { "Keys" }
            dl.keys {
                @for (_, name, key) in PLACES { dt { kbd { "g" } " " kbd { (key) } } dd { (name) } }
                dt { kbd { "j" } " " kbd { "k" } } dd { "Next and previous row" }
                dt { kbd { "Enter" } } dd { "Open the row" }
                dt { kbd { "?" } } dd { "This list" }
            }
            p { label { input #keys-on type="checkbox" checked; " Single keys do something" } }
            form method="dialog" { button { "Close" } }
        }
    }
}
