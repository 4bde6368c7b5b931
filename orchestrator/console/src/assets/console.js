// Live updates, keys, and signing in by a link. Every page works without it.
"use strict";

const safe = window.trustedTypes
  // Only whole pages of this very server pass here; the templates that made them escape what others wrote.
  ? window.trustedTypes.createPolicy("ostler", { createHTML: (text) => text })
  : { createHTML: (text) => text };

function signInByLink() {
  const form = document.getElementById("sign-in");
  const code = location.hash.slice(1);
  if (!form || !code) return;
  history.replaceState(null, "", location.pathname);
  form.elements.code.value = code;
  form.requestSubmit();
}

// Whether somebody is in the middle of writing there.
function busy(element) {
  const fields = element.querySelectorAll("input:not([type=hidden]), textarea, select");
  return [...fields].some((field) =>
    field === document.activeElement || (field.value !== field.defaultValue && field.tagName === "TEXTAREA"));
}

function openDetails(element) {
  return new Map([...element.querySelectorAll("details")].map((one, index) => [index, one.open]));
}

// Takes over a part of a page that changed, and keeps what the person opened and where they are.
function takeOver(here, there) {
  if (here.innerHTML === there.innerHTML || busy(here)) return;
  const opened = openDetails(here);
  const links = [...here.querySelectorAll("a, button, summary")];
  const at = links.indexOf(document.activeElement);
  const label = at >= 0 ? links[at].textContent : null;
  here.replaceChildren(...[...there.childNodes].map((node) => document.importNode(node, true)));
  [...here.querySelectorAll("details")].forEach((one, index) => { if (opened.has(index)) one.open = opened.get(index); });
  if (label !== null) {
    const now = [...here.querySelectorAll("a, button, summary")].filter((one) => one.textContent === label);
    if (now.length > 0) now[0].focus({ preventScroll: true });
  }
}

async function bringUpToDate() {
  const answer = await fetch(location.href, { headers: { "x-ostler-live": "1" }, redirect: "error" });
  if (answer.status === 401) { location.assign("/sign-in"); return; }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(safe.createHTML(await answer.text()), "text/html");
  const [before, after] = [document.querySelector("h1"), page.querySelector("h1")];
  const changed = before && after && before.textContent !== after.textContent;
  for (const here of document.querySelectorAll("[data-live]")) {
    const there = page.getElementById(here.id);
    if (there) takeOver(here, there);
  }
  document.title = page.title;
  if (changed) document.getElementById("said").textContent = after.textContent;
}

function follow(url) {
  const shown = document.getElementById("follow");
  const say = (state, words) => { shown.dataset.state = state; shown.textContent = words; };
  let waiting = false;
  let running = false;
  const update = async () => {
    if (document.hidden || running) { waiting = true; return; }
    [waiting, running] = [false, true];
    try { await bringUpToDate(); say("on", "Live"); } catch { say("off", "Not reached; trying again"); }
    running = false;
  };
  const source = new EventSource(url);
  source.addEventListener("open", () => { say("on", "Live"); });
  source.addEventListener("error", () => say("off", "Not reached; trying again"));
  source.addEventListener("changed", update);
  document.addEventListener("visibilitychange", () => { if (waiting) update(); });
  window.addEventListener("pagehide", () => source.close());
}

function keys() {
  const dialog = document.getElementById("keys");
  if (!dialog) return;
  const box = document.getElementById("keys-on");
  box.checked = localStorage.getItem("keys") !== "off";
  box.addEventListener("change", () => localStorage.setItem("keys", box.checked ? "on" : "off"));
  let gone = false;
  const rows = () => [...document.querySelectorAll("[data-row] a:first-of-type")].filter((link, index, all) =>
    all.findIndex((other) => other.closest("[data-row]") === link.closest("[data-row]")) === index);
  const move = (by) => {
    const all = rows();
    if (all.length === 0) return;
    const here = all.findIndex((link) => link.closest("[data-row]").contains(document.activeElement));
    all[Math.min(Math.max(here + by, 0), all.length - 1)].focus();
  };
  document.addEventListener("keydown", (event) => {
    const writes = event.target.closest("input, textarea, select, dialog");
    if (writes || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") { dialog.showModal(); return; }
    if (!box.checked) return;
    if (gone) {
      gone = false;
      const place = document.querySelector(`nav [data-key="${CSS.escape(event.key)}"]`);
      if (place) location.assign(place.href);
      return;
    }
    if (event.key === "g") { gone = true; setTimeout(() => { gone = false; }, 1500); }
    if (event.key === "j") move(1);
    if (event.key === "k") move(-1);
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search) { event.preventDefault(); search.focus(); }
    }
  });
}

signInByLink();
keys();
if (document.body.dataset.liveUrl) follow(document.body.dataset.liveUrl);
