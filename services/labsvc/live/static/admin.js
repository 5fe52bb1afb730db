// The admin page: trigger, stop, reset, pace; the raw stream with its causes. Read-only without the token.
import { $, Live, Rate, ask, el, fill, keptToken, say, showLink } from "/static/kit.js";

const PACES = [0, 1, 10, 60, 600, 3600];
const SHOWN = 60;

const token = keptToken("facilitator");
const worlds = new Map();
const sections = new Map(); // world → its section, which stays while it changes
const rate = new Rate(60);
let scenarios = [];
let shown = [];
let held = false;

$("#gate").hidden = Boolean(token);

const live = new Live({
  topics: ["*"],
  token,
  on: {
    link: (isLive) => {
      showLink(isLive);
      if (isLive) refresh();
    },
    event: take,
    error: () => { // a token of another database
      sessionStorage.removeItem("facilitator");
      location.reload();
    },
  },
});

function take(event) {
  rate.add(Date.parse(event.timestamp) / 1000);
  if (event.stream.startsWith("world.")) {
    worlds.set(event.data.world, event.data);
    drawWorlds();
    if (!scenarios.length) refresh();
  }
  if (!["workshop.board", "facilitator.room"].includes(event.stream)) shown = [event, ...shown].slice(0, 300);
}

async function refresh() {
  try {
    const [state, cards] = await Promise.all([ask("GET", "/api/simulation/state"), ask("GET", "/api/simulation/scenarios")]);
    for (const world of state.worlds) worlds.set(world.world, world);
    scenarios = cards.scenarios;
    fill($("#hub"), ...Object.entries(state.hub).map(([name, value]) =>
      el("div", {}, el("dt", {}, name.replace("_", " ")), el("dd", {}, value.toLocaleString("en")))));
    drawWorlds();
  } catch {
    // the next look tells
  }
}

async function act(path, body, done) {
  try {
    await ask("POST", path, { body, token });
    told(done, false);
  } catch (error) {
    told(error.message, true);
  }
  refresh();
}

function told(text, isBad) {
  $("#told").className = isBad ? "told bad" : "told";
  say($("#told"), text);
}

function drawWorlds() {
  if (!worlds.size) return fill($("#worlds"), el("p", { class: "card muted" }, "No world runs here yet."));
  fill($("#worlds"), ...[...worlds.values()].map(drawWorld));
}

function drawWorld(world) {
  const counts = Object.entries(world.figures || {}).filter(([name, value]) => typeof value === "number" && !name.endsWith("Cents"));
  const figures = counts.map(([name, value]) => `${value.toLocaleString("en")} ${wordsOf(name)}`).join(" · ");
  const paces = PACES.map((factor) => el("button", { "aria-pressed": String(world.pace === factor), disabled: !token,
    onclick: () => act("/api/simulation/pace", { world: world.world, factor }, `pace ${factor}×`) }, factor ? `${factor}×` : "Pause"));
  const section = sections.get(world.world) || el("section", { class: "card world" });
  sections.set(world.world, section);
  fill(section,
    el("div", { class: "head" }, el("h2", {}, world.title), el("span", { class: "muted" }, world.running ? figures : "not running"),
      el("span", { class: "muted" }, world.simTime ? `its time: ${world.simTime.replace("T", " ").slice(0, 19)}` : "")),
    el("div", { class: "row pace", role: "group", "aria-label": "pace" }, ...paces,
      el("button", { class: "danger", disabled: !token, onclick: () => {
        if (confirm(`Reset ${world.title} to normal at once?`)) act("/api/simulation/reset", { world: world.world }, "reset");
      } }, "Reset")),
    el("div", { class: "cards" }, ...scenarios.filter((card) => card.world === world.world).map((card) => drawScenario(card, world))));
  return section;
}

/** ordersToday → orders today */
function wordsOf(name) {
  return name.replace(/[A-Z]/g, (capital) => ` ${capital.toLowerCase()}`);
}

function drawScenario(card, world) {
  const now = world.scenario?.id === card.id ? world.scenario : null;
  return el("article", { class: `scenario ${now ? "active" : ""}` },
    el("h3", {}, card.name, now ? el("span", { class: "chip warn" }, now.status) : null),
    el("p", { class: "small" }, card.description), el("p", { class: "small" }, card.duration),
    el("div", { class: "row" }, now
      ? el("button", { disabled: !token, onclick: () => act("/api/simulation/stop", { world: world.world }, "settling") }, "Let it settle")
      : el("button", { disabled: !token, onclick: () => act("/api/simulation/scenario", { scenarioId: card.id }, `${card.name}: triggered`) }, "Trigger")));
}

function drawEvents() {
  say($("#rate"), `${rate.slices(live.now_s(), 1)[0]} in the last minute`);
  if (held) return;
  const part = $("#filter").value.trim().toLowerCase();
  fill($("#events"), ...shown.filter((event) => event.stream.includes(part)).slice(0, SHOWN).map((event) =>
    el("tr", {}, el("td", { class: "at" }, event.timestamp.slice(11, 23)), el("td", { class: "stream" }, event.stream),
      el("td", { class: "cause" }, event.cause ? el("span", { class: "chip" }, [event.cause.kind, event.cause.id].filter(Boolean).join(" ")) : ""),
      el("td", { class: "data" }, JSON.stringify(event.data).slice(0, 240)))));
}

$("#hold").onclick = () => {
  held = !held;
  $("#hold").setAttribute("aria-pressed", String(held));
};
setInterval(drawEvents, 500);
setInterval(refresh, 5000);
