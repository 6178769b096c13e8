// What each reader has chosen, kept by their browser: whose clock, and whether single keys act.
const byId = (id) => document.getElementById(id);
const kept = (name) => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
};
const keep = (name, value) => {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It holds for this page then.
  }
};

// --- times ---------------------------------------------------------------------------------------

// As the server writes them, in UTC. What is said as a distance is the same by every clock.
const CLOCK = /^(\d{4}-\d\d-\d\d )?\d\d:\d\d(:\d\d)?$/;
let isLocal = kept("times") === "local";

export function writeTimes(page) {
  const [today] = new Date().toLocaleString("sv").split(" ");
  for (const time of page.querySelectorAll("time[datetime]")) {
    const utc = time.dataset.utc ?? time.textContent;
    if (!CLOCK.test(utc)) continue;
    const [day, clock] = new Date(time.dateTime).toLocaleString("sv").split(" ");
    const local = day === today ? clock : `${day} ${clock.slice(0, 5)}`;
    if (isLocal) time.dataset.utc = utc;
    else delete time.dataset.utc;
    time.textContent = isLocal ? local : utc;
  }
  const zone = page.querySelector("#as-of abbr");
  if (!zone) return;
  const name = new Date().toLocaleTimeString("en", { timeZoneName: "short" }).split(" ").pop();
  zone.textContent = isLocal ? name : "UTC";
  zone.title = isLocal ? "Local time" : "Universal time";
}

function chooseClock() {
  for (const choice of byId("clock").elements) {
    choice.checked = choice.value === (isLocal ? "local" : "utc");
    choice.addEventListener("change", () => {
      isLocal = choice.value === "local";
      keep("times", choice.value);
      writeTimes(document);
      for (const time of byId("stale").querySelectorAll("time")) time.textContent = byId("as-of").querySelector("time").textContent;
    });
  }
  if (isLocal) writeTimes(document);
}

// --- keys ----------------------------------------------------------------------------------------

// The next row or group, or the one before: its link, so that Enter opens it.
function step(by) {
  const all = [...document.querySelectorAll("main :is(.group .facts, tbody th) a")];
  const links = all.filter((link) => link.getClientRects().length > 0);
  const here = document.activeElement.closest(".group, tr");
  const at = links.findIndex((link) => link.closest(".group, tr") === here);
  links[at < 0 ? 0 : at + by]?.focus();
}

const KEYS = {
  "?": () => byId("help").showModal(),
  "/": () => (byId("q").focus(), byId("q").select()),
  j: () => step(1),
  k: () => step(-1),
  x: () => document.activeElement.closest("tr")?.querySelector("td.pick input")?.click(),
};
let goes = -Infinity;

function press(event) {
  const { key, target, timeStamp } = event;
  if (!byId("single-keys").checked || byId("help").open || event.defaultPrevented) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (target.closest("input:not([type=checkbox], [type=radio]), textarea, select")) return;
  const goal = timeStamp - goes < 1500 && document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  goes = key === "g" ? timeStamp : -Infinity;
  const act = goal ? () => goal.click() : Object.hasOwn(KEYS, key) && KEYS[key];
  if (!act) return;
  event.preventDefault();
  act();
}

function listenToKeys() {
  byId("keys").addEventListener("click", KEYS["?"]);
  const single = byId("single-keys");
  single.checked = kept("keys") !== "off";
  single.addEventListener("change", () => keep("keys", single.checked ? "on" : "off"));
  document.addEventListener("keydown", press);
}

if (byId("help")) {
  chooseClock();
  listenToKeys();
}
// The style sheet holds them open where it can say so.
if (!CSS.supports("selector(::details-content)") && innerWidth >= 768) {
  for (const part of document.querySelectorAll(".fold")) part.open = true;
}
