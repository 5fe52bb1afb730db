// The facilitator's page: steers the hour, shows who needs help. Needs the facilitator's token.
import { $, Live, ask, clockText, drawHour, el, fill, isLoopback, keptToken, say, scenarioLeft, segmentLeft, sessionClock, showLink } from "/static/kit.js";

const SOON_S = 60;
const FILTERS = { stuck: "stuck", all: "all", unready: "not ready", away: "not here" };

let token = keptToken("facilitator");
let room = null;
let filter = "all";
let live = null;
let scenarios = [];
const worlds = new Map();

$("#gate-form").onsubmit = (submitted) => {
  submitted.preventDefault();
  token = $("#gate-token").value.trim();
  open();
};

/** Let the facilitator in, once the token is known to be right. */
async function open() {
  try {
    if (!token) throw new Error("");
    await ask("GET", "/workshop/facilitator", { token });
  } catch (error) {
    $("#gate").hidden = false;
    say($("#gate-told"), error.message);
    if (token && error.status !== 401) setTimeout(open, 2000);
    return;
  }
  sessionStorage.setItem("facilitator", token);
  $("#gate").hidden = true;
  live ??= new Live({
    topics: ["facilitator.*", "workshop.session", "world.*"],
    token,
    on: { link: showLink, event: take, gap: refresh, error: () => location.reload() },
  });
  refresh();
}

async function refresh() {
  try {
    [room, { scenarios }] = await Promise.all([
      ask("GET", "/workshop/room", { token }),
      ask("GET", "/api/simulation/scenarios", { token }),
    ]);
    draw();
  } catch (error) {
    told(error);
    setTimeout(refresh, 2000);
  }
}

function take(event) {
  if (event.stream === "facilitator.room") room = event.data;
  else if (event.stream === "workshop.session" && room) room.board.session = event.data;
  else if (event.stream.startsWith("world.")) {
    const isNew = !worlds.has(event.data.world) || worlds.get(event.data.world).running !== event.data.running;
    worlds.set(event.data.world, { ...event.data, told_s: Date.now() / 1000 });
    if (isNew && room) refresh();
  }
  if (room) draw();
}

/** Do something; show what the server said about it. */
async function act(method, path, body, done = "") {
  try {
    const answer = await ask(method, path, { body, token });
    told(null, done);
    return answer;
  } catch (error) {
    told(error);
    return null;
  }
}

function told(error, text = "") {
  $("#told").className = error ? "told bad" : "told";
  say($("#told"), error ? error.message : text);
}

// ---------------------------------------------------------------------- drawing

function draw() {
  const { board, people, moments } = room;
  const session = board.session;
  const lives = session && session.state !== "ended";
  $("#start").hidden = Boolean(lives);
  $("#desk").hidden = !lives;
  $("#paused").hidden = session?.state !== "paused";
  $("#frozen").hidden = !session?.is_frozen;
  say($("#name"), session ? session.name : "Facilitator");
  say($("#before"), session && !lives ? `The session “${session.name}” has ended; its board stays until the next one starts.` : "");
  say($("#head-code"), lives ? session.code : "");
  if (!lives) return;
  drawNow(session);
  drawFigures(board);
  drawScenarios();
  drawPeople(people, session);
  fill($("#moments"), ...moments.map((moment) => el("li", {}, el("span", { class: "muted" }, clockText(moment.at_clock_s)),
    el("span", {}, `${moment.what} ${moment.detail}`))));
  tick();
}

function drawNow(session) {
  const segment = session.segments[session.segment];
  const next = session.segments[session.segment + 1];
  say($("#step"), `now · ${segment.minutes} minutes`);
  say($("#title"), segment.title);
  say($("#do"), segment.do);
  say($("#types"), segment.types);
  say($("#next"), next ? `Next: ${next.title.replace(/^Step \d+: /, "")}` : "That was the last one");
  $("#next").disabled = !next;
  $("#back").hidden = session.segment === 0;
  say($("#pause"), session.state === "paused" ? "Go on" : "Pause");
  $("#pause").setAttribute("aria-pressed", session.state === "paused");
  say($("#freeze"), session.is_frozen ? "Thaw board" : "Freeze board");
  $("#freeze").setAttribute("aria-pressed", session.is_frozen);
  say($("#code"), session.code);
  $("#reach").hidden = !isLoopback();
  say($("#line"), `make join CODE=${session.code} AT=${isLoopback() ? "…" : location.origin} BY=…`);
}

function tile(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, String(value)));
}

function drawFigures({ people, tickets, session }) {
  fill($("#figures"), tile("joined", people.joined), tile("expected", session.expected), tile("here", people.active), tile("ready", people.ready));
  fill($("#tickets"), tile("open", tickets.open), tile("in hand", tickets.held), tile("resolved", tickets.resolved), tile("escalated", tickets.escalated));
}

function drawScenarios() {
  const active = busyWorlds().map((world) => world.scenario);
  const world = [...worlds.values()][0];
  say($("#world"), world ? `${world.title} · ${world.running ? paceText(world.pace) : "not running"}` : "");
  fill($("#scenarios"), ...scenarios.map((card) => {
    const now = active.find((each) => each.id === card.id);
    return el("button", { class: now ? "active" : "", disabled: Boolean(now), onclick: () => act("POST", `/workshop/scenario/${card.id}`, {}, `${card.name}: triggered`) },
      el("strong", {}, card.name, now ? ` · ${now.status} ` : "", now ? el("span", { class: "scenario-left" }) : null),
      el("small", {}, `${card.description} ${card.duration}`), now ? progressMeter(now.progress) : null);
  }));
  if (!scenarios.length) fill($("#scenarios"), el("p", { class: "muted" }, "No world runs here."));
  for (const each of active.filter(({ status }) => status === "active")) {
    $("#scenarios").append(el("button", { onclick: () => act("POST", "/api/simulation/stop", {}, "settling") }, el("strong", {}, `Let “${each.name || each.id}” settle`)));
  }
}

/** Worlds in which a scenario acts or settles. */
const busyWorlds = () => [...worlds.values()].filter((world) => world.scenario && world.scenario.status !== "settled");

function progressMeter(ratio) {
  const bar = el("b");
  bar.style.width = `${Math.max(0, Math.min(1, ratio || 0)) * 100}%`;
  return el("i", { class: "meter" }, bar);
}

function drawScenarioLeft() {
  const left_s = busyWorlds().map((world) => scenarioLeft(world, world.told_s)).find((each) => each !== null);
  const target = $(".scenario-left");
  if (target) say(target, left_s === undefined ? "" : `· ${clockText(left_s)} left`);
}

function paceText(pace) {
  return pace === 0 ? "standing still" : `${pace}×`;
}

function drawPeople(people, session) {
  const labs = session.segments.map((segment) => segment.lab).filter(Boolean);
  const lab_now = session.segments[session.segment].lab;
  const groups = {
    stuck: people.filter((person) => person.stuck),
    all: people,
    unready: people.filter((person) => !person.ready_code),
    away: people.filter((person) => !person.is_here),
  };
  fill($("#filters"), ...Object.entries(FILTERS).map(([key, name]) =>
    el("button", { "aria-pressed": String(filter === key), onclick: () => { filter = key; draw(); } }, `${name} ${groups[key].length}`)));
  say($("#people-told"), lab_now ? `${people.filter((person) => (person.best[lab_now] ?? 0) >= 90).length} of ${people.length} have solved ${lab_now}` : "");
  $("#nobody").hidden = people.length > 0;
  fill($("#columns"), el("th", { scope: "col" }, "participant"), el("th", { scope: "col" }, "ready"),
    ...labs.map((lab) => el("th", { scope: "col", class: "num" }, lab)), el("th", { scope: "col", class: "num" }, "total"),
    el("th", { scope: "col", class: "num" }, "tickets"), el("th", { scope: "col" }, "last run, or why stuck"));
  const order = (person) => (person.stuck ? 0 : person.is_here ? 1 : 2);
  const rows = [...groups[filter]].sort((a, b) => order(a) - order(b) || b.total - a.total || a.id - b.id);
  fill($("#people"), ...rows.map((person) => personRow(person, labs)));
}

function personRow(person, labs) {
  const dot = el("span", { class: `dot ${person.is_here ? "here" : ""}`, title: person.is_here ? "here" : "not heard for a while" });
  return el("tr", { class: `${person.stuck ? "stuck" : ""} ${person.is_here ? "" : "away"}` },
    el("th", { scope: "row" }, dot,
      el("button", { class: "rename", title: `${person.name}${person.technology ? `, ${person.technology}` : ""}: give another name`, onclick: () => rename(person) }, person.name)),
    el("td", { class: "ready" }, person.ready_code ? el("span", { class: "chip good", title: person.ready_code }, "ready") : el("span", { class: "muted" }, "–")),
    ...labs.map((lab) => {
      const score = person.best[lab];
      return el("td", { class: `lab num ${score === undefined ? "none" : score >= 90 ? "done" : ""}`, "data-label": lab }, score === undefined ? "–" : String(score));
    }),
    el("td", { class: "total num", "data-label": "total" }, String(person.total)),
    el("td", { class: "num muted", "data-label": "tickets" }, `${person.handled}${person.holds ? " +1" : person.waits ? " …" : ""}`),
    el("td", { class: `last ${person.stuck ? "why" : "muted"}`, title: person.stuck || person.last }, person.stuck || person.last));
}

function tick() {
  const session = room?.board.session;
  if (!session || session.state === "ended" || !live) return;
  const now_s = live.now_s();
  const left_s = segmentLeft(session, now_s);
  drawScenarioLeft();
  drawHour($("#hour"), session, now_s);
  say($("#left"), clockText(left_s));
  $("#left").className = left_s < 0 ? "left over" : left_s < SOON_S ? "left soon" : "left";
  const rest_s = session.segments.slice(session.segment + 1).reduce((sum, segment) => sum + segment.minutes * 60, 0);
  const total_s = session.segments.reduce((sum, segment) => sum + segment.minutes * 60, 0);
  const late_s = sessionClock(session, now_s) + Math.max(0, left_s) + rest_s - total_s;
  const when = new Date((now_s + (Math.max(0, left_s) + rest_s) / session.clock.speed) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const lag = Math.abs(late_s) < 60 ? "on time" : late_s > 0 ? `${Math.round(late_s / 60)} min late` : `${Math.round(-late_s / 60)} min early`;
  say($("#ends"), session.state === "paused" ? "The hour and the business stand still." : `The hour ends at ${when}, ${lag}.`);
}

// ---------------------------------------------------------------------- buttons

$("#back").onclick = () => {
  const { segments, segment } = room.board.session;
  if (confirm(`Back to “${segments[segment - 1].title}”? Its minutes begin anew.`)) act("POST", "/workshop/next", { segment: segment - 1 });
};
async function rename(person) {
  const name = prompt(`Another name for ${person.name}, on the board too:`, person.name)?.trim();
  if (name && name !== person.name && await act("POST", `/workshop/participants/${person.id}/name`, { name })) refresh();
}

$("#next").onclick = () => act("POST", "/workshop/next", { segment: room.board.session.segment + 1 });
$("#pause").onclick = () => act("POST", "/workshop/pause", { on: room.board.session.state !== "paused" });
$("#freeze").onclick = () => act("POST", "/workshop/freeze", { on: !room.board.session.is_frozen });
$("#stop").onclick = () => {
  if (confirm("End the session for everybody?")) act("POST", "/workshop/stop", {}).then(refresh);
};
$("#start-form").onsubmit = async (submitted) => {
  submitted.preventDefault();
  const body = { name: $("#start-name").value, participant_count: Number($("#start-people").value) };
  if (await act("POST", "/workshop/start", body)) refresh();
  else say($("#before"), $("#told").textContent);
};
$("#paste-form").onsubmit = async (submitted) => {
  submitted.preventDefault();
  const answer = await act("POST", "/workshop/paste", { text: $("#paste").value });
  if (!answer) return;
  const problems = answer.problems.length ? `; ${answer.problems.length} refused: ${answer.problems[0]}` : "";
  say($("#paste-told"), `${answer.added} added, ${answer.known} known before${problems}`);
  if (!answer.problems.length) $("#paste").value = "";
};

setInterval(tick, 500);
open();
