import { Idiomorph } from "./idiomorph.js";
import { writeTimes } from "./reader.js";

const PACE = [5, 5, 10, 15, 30];
const byId = (id) => document.getElementById(id);
const main = byId("main");
const asOf = byId("as-of");
const stale = byId("stale");
let etag, timer, last, held, quiet = 0, asking = false;

document.documentElement.classList.add("js");

// What the reader has changed since the server last drew it.
const touched = new WeakSet();
const note = (event) => touched.add(event.target);
document.addEventListener("input", note);
document.addEventListener("change", note);
document.addEventListener("reset", (event) => [...event.target.elements].forEach((el) => touched.delete(el)));

const isControl = (node) => node instanceof Element && node.matches("input, textarea, select");
const isTheirs = (el) => el === document.activeElement || touched.has(el);

function morph(next) {
  Idiomorph.morph(main, next, {
    morphStyle: "outerHTML",
    callbacks: {
      beforeNodeMorphed: (old) => !(isControl(old) && isTheirs(old)) && old.localName !== "output",
      // A form that is being filled in outlives the server's no longer offering it; the server refuses it then.
      // What came of an action stays until the reader goes on.
      beforeNodeRemoved: (old) =>
        old.id !== "flash" && !(old instanceof Element && old.closest("tr") === null &&
          [old, ...old.querySelectorAll("input, textarea, select")].some((el) => isControl(el) && isTheirs(el))),
      // Open or closed is the reader's choice once the element exists.
      beforeAttributeUpdated: (name, el) => !(name === "open" && el.localName === "details"),
    },
  });
  count();
}

function isInUse(rows) {
  const selection = getSelection();
  return scrollY > 0 || rows.contains(document.activeElement) || rows.matches(":hover") ||
    rows.querySelector(":checked") !== null ||
    (!selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(rows));
}

// Keeps the rows that are on the page where they are; says how many others there are.
function holdBack(next) {
  let fresh = 0;
  for (const rows of main.querySelectorAll("[data-live-rows]")) {
    const theirs = next.querySelector("#" + CSS.escape(rows.id));
    if (!theirs || !isInUse(rows)) continue;
    const told = new Map([...theirs.rows].map((row) => [row.id, row]));
    const kept = [...rows.rows].map((row) => {
      const now = told.get(row.id) ?? row.cloneNode(true);
      if (!told.delete(row.id) && !now.classList.contains("gone")) {
        now.classList.add("gone");
        now.querySelector("th").append(Object.assign(document.createElement("small"), { textContent: "left this list" }));
      }
      return now;
    });
    theirs.replaceChildren(...kept);
    fresh += told.size;
  }
  const button = next.querySelector("#new-rows");
  if (button && fresh > 0) {
    button.hidden = false;
    button.textContent = fresh === 1 ? "1 new order" : `${fresh} new orders`;
  }
}

function parse(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  if (!page.getElementById("main")) throw new Error("no page");
  writeTimes(page);
  return page;
}

function show(html) {
  const page = parse(html);
  const next = page.getElementById("main");
  const told = page.getElementById("as-of");
  document.title = page.title;
  if (told && told.innerHTML !== asOf.innerHTML) asOf.innerHTML = told.innerHTML;
  if (next.innerHTML === last) return false;
  last = next.innerHTML;
  held = html;
  holdBack(next);
  morph(next);
  return true;
}

function showHeld() {
  const before = new Set([...main.querySelectorAll("[data-live-rows] > tr")].map((row) => row.id));
  morph(parse(held).getElementById("main"));
  for (const row of main.querySelectorAll("[data-live-rows] > tr")) {
    if (!before.has(row.id)) row.classList.add("new");
  }
  main.querySelector("[data-live-rows]")?.closest("[tabindex]")?.focus();
}

function tell(banner) {
  const time = asOf.querySelector("time").textContent;
  for (const el of stale.querySelectorAll("time")) if (el.textContent !== time) el.textContent = time;
  for (const el of stale.children) el.hidden = el.id !== banner;
}

function isOld(answer) {
  const now = Date.parse(answer.headers.get("date")) || Date.now();
  return now - Date.parse(asOf.querySelector("time").dateTime) > 120_000;
}

async function poll() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  let once;
  try {
    const headers = { accept: "text/html", "x-poll": "1" };
    if (etag) headers["if-none-match"] = etag;
    // A redirect leads to where one signs in, and not to this page.
    const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(15_000) });
    if (answer.type === "opaqueredirect" || answer.status === 401) {
      tell("stale-signed-out");
      quiet++;
    } else {
      if (!answer.ok && answer.status !== 304) throw new Error(answer.status);
      const changed = answer.status === 200 && show(await answer.text());
      if (answer.status === 200) etag = answer.headers.get("etag");
      quiet = changed ? 0 : quiet + 1;
      once = Number(answer.headers.get("refresh-in"));
      tell(isOld(answer) && "stale-monitor");
    }
  } catch {
    tell("stale-offline");
    quiet++;
  }
  asking = false;
  if ("poll" in main.dataset) timer = setTimeout(poll, 1000 * (once || PACE[Math.min(quiet, PACE.length - 1)]));
}

function count() {
  const all = byId("select-all");
  if (!all) return;
  const boxes = [...main.querySelectorAll("td.pick input")];
  const chosen = boxes.filter((box) => box.checked).length;
  all.checked = chosen > 0 && chosen === boxes.length;
  all.indeterminate = chosen > 0 && chosen < boxes.length;
  const text = `${chosen} selected`;
  if (byId("selected").textContent !== text) byId("selected").textContent = text;
}

main.addEventListener("change", (event) => {
  if (event.target.id === "select-all") {
    for (const box of main.querySelectorAll("td.pick input")) {
      box.checked = event.target.checked;
      touched.add(box);
    }
  }
  count();
});
main.addEventListener("click", (event) => {
  if (event.target.id !== "new-rows") return;
  event.preventDefault();
  showHeld();
});

count();
if ("poll" in main.dataset) {
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : poll()));
  addEventListener("online", poll);
  timer = setTimeout(poll, 1000 * PACE[0]);
}
