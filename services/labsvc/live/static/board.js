// The projector's board: read-only, without a token. Everything it shows is the newest state that the hub told.
import { $, Live, Rate, clockText, drawHour, drawSpark, el, fill, isLoopback, say, scenarioLeft, segmentLeft, showLink } from "/static/kit.js";

const ORDERS_WINDOW_S = 300;
const SOON_S = 60;
const PHONE_ROWS = 10;

let board = null;
let solved = new Map(); // participant → total, to mark what has just changed
const worlds = new Map();
const orders = new Rate(ORDERS_WINDOW_S);
const opened_s = Date.now() / 1000;

const live = new Live({
  topics: ["workshop.*", "world.*", "orders.placed"],
  on: {
    link: showLink,
    event: (event) => {
      if (event.stream === "workshop.board") draw(event.data);
      else if (event.stream === "workshop.session" && board) draw({ ...board, session: event.data });
      else if (event.stream.startsWith("world.")) drawWorld(event.data);
      else if (event.stream === "orders.placed" && !event.past) orders.add(Date.parse(event.timestamp) / 1000);
    },
  },
});

function draw(told) {
  board = told;
  const session = board.session;
  say($("#name"), session ? session.name : "");
  $("#frozen").hidden = !session?.is_frozen;
  $("#paused").hidden = session?.state !== "paused";
  $("#join").hidden = !session || session.state === "ended";
  $("#reach").hidden = !isLoopback();
  $("#hour").hidden = $("#tickets").hidden = $("#columns").hidden = !session;
  if (session) {
    say($("#code"), session.code);
    say($("#line"), `make join CODE=${session.code} AT=${location.origin} BY=NAME`);
  }
  tick(); // first: how high the stage is says how many rows fit
  drawArrivals(board); // shows one of the two, which has no height before
  drawLeaders(board);
  drawLabs(board);
  fill($("#tickets"), ...[["open", board.tickets.open], ["in hand", board.tickets.held], ["resolved", board.tickets.resolved],
    ["escalated", board.tickets.escalated]].map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));
  fill($("#recent"), ...(board.recent.length ? board.recent.map((run) => el("li", {}, el("span", { class: "who" }, run.name),
    el("span", { class: "what" }, `${run.lab} `, el("strong", {}, String(run.score))))) : [el("li", { class: "muted" }, "Nothing yet")]));
  const people = board.people;
  say($("#people"), session ? `solved of ${people.joined} people · ${people.ready} ready` : "");
}

function drawLeaders({ leaders, session }) {
  const labs = session ? session.segments.map((segment) => segment.lab).filter(Boolean) : [];
  fill($("#columns"), el("th", { class: "rank", scope: "col" }, "#"), el("th", { scope: "col" }, "participant"),
    ...labs.map((lab) => el("th", { class: "lab num", scope: "col", title: lab }, el("span", {}, lab))), el("th", { class: "total num", scope: "col" }, "total"));
  const body = $("#leaders");
  const before = new Map([...body.children].map((row) => [row.dataset.id, row.getBoundingClientRect().top]));
  fill(body, ...leaders.slice(0, innerWidth <= 900 ? PHONE_ROWS : leaders.length).map((leader) => leaderRow(leader, labs)));
  trim(body);
  for (const row of body.children) glide(row, before.get(row.dataset.id));
  solved = new Map(leaders.map((leader) => [leader.participant_id, leader.total]));
}

/** Until the first score: who is here. */
function drawArrivals({ arrived, leaders, people, session }) {
  const waits = !leaders.length && Boolean(session);
  $("#arrivals").hidden = !waits;
  $("#leaders").parentElement.hidden = waits;
  if (!waits) return;
  say($("#arrived-count"), people.joined);
  say($("#arrived-of"), `of ${session.expected} are here; the first score will stand here`);
  const list = $("#arrived");
  const before = new Set([...list.children].map((item) => item.textContent));
  fill(list, ...arrived.map((name) => el("li", { class: before.size && !before.has(name) ? "fresh" : "" }, name)));
  trim(list);
}

function leaderRow(leader, labs) {
  const was = solved.get(leader.participant_id);
  const isFresh = solved.size > 0 && was !== leader.total;
  const row = el("tr", { class: `${leader.rank === 1 ? "first" : ""} ${isFresh ? "fresh" : ""}`, "data-id": leader.participant_id },
    el("td", { class: "rank" }, String(leader.rank)), el("th", { scope: "row", title: leader.name }, leader.name),
    ...labs.map((lab) => labCell(leader.best[lab])), el("td", { class: "total num" }, String(leader.total)));
  return row;
}

function labCell(score) {
  if (score === undefined) return el("td", { class: "lab num none" }, "–");
  const bar = el("b");
  bar.style.width = `${score}%`;
  return el("td", { class: `lab num ${score >= 90 ? "done" : ""}` }, String(score), el("i", { class: "meter" }, bar));
}

/** Let a row that has changed its place glide there. */
function glide(row, before) {
  if (before === undefined || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const moved = before - row.getBoundingClientRect().top;
  if (moved) row.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }], { duration: 500, easing: "ease-out" });
}

/** Show no half rows; on a phone, which scrolls, all stay. */
function trim(list) {
  if (innerWidth <= 900) return;
  const end_px = list.closest(".card").getBoundingClientRect().bottom - 12;
  while (list.childElementCount && list.getBoundingClientRect().bottom > end_px) list.lastElementChild.remove();
}

function drawLabs({ labs, people, session }) {
  const lab_now = session ? session.segments[session.segment]?.lab : null;
  fill($("#labs"), ...labs.map((lab) => {
    const tried = el("b", { class: "tried" });
    const done = el("b");
    tried.style.width = `${share(lab.tried, people.joined)}%`;
    done.style.width = `${share(lab.solved, people.joined)}%`;
    const told = `${lab.tried} tried, ${lab.solved} solved ${lab.lab}`;
    return el("li", { class: lab.lab === lab_now ? "now" : "", title: told }, el("span", {}, lab.lab),
      el("i", { class: "meter", role: "img", "aria-label": told }, tried, done), el("span", {}, `${lab.solved}/${people.joined}`));
  }));
}

const share = (part, whole) => (whole ? Math.min(100, (part / whole) * 100) : 0);

function drawWorld(state) {
  worlds.set(state.world, { ...state, told_s: Date.now() / 1000 });
  const busy = busyWorld();
  $("#scenario").hidden = !busy;
  if (busy) {
    say($("#scenario-name"), busy.scenario.name || busy.scenario.id);
    say($("#scenario-told"), `${busy.title}: ${busy.scenario.status}`);
  }
}

const busyWorld = () => [...worlds.values()].find((each) => each.scenario && each.scenario.status !== "settled");

function tick() {
  const now_s = live.now_s();
  const session = board?.session;
  const busy = busyWorld();
  const busy_s = busy ? scenarioLeft(busy, busy.told_s) : null;
  say($("#scenario-left"), busy_s === null ? "" : `${clockText(busy_s)} left`);
  if (session) {
    const segment = session.segments[session.segment];
    const left_s = segmentLeft(session, now_s);
    const ended = session.state === "ended";
    drawHour($("#hour"), session, now_s);
    say($("#step"), ended ? "the hour is over" : `${segment.minutes} minutes`);
    say($("#title"), ended ? "Thank you" : segment.title);
    say($("#types"), ended ? "" : segment.types);
    const left = $("#left");
    say(left, ended ? "" : clockText(left_s));
    left.className = left_s < 0 ? "left over" : left_s < SOON_S ? "left soon" : "left";
  } else if (board) {
    say($("#step"), "");
    say($("#title"), "No session yet");
    say($("#types"), "The facilitator will start it.");
    say($("#left"), "");
  }
  orders.window_s = Math.min(ORDERS_WINDOW_S, Math.max(30, Date.now() / 1000 - opened_s)); // what this page has seen
  drawSpark($("#spark"), orders.slices(now_s, 40));
  const figures = [...worlds.values()].map((world) => world.figures?.orders || 0).reduce((sum, n) => sum + n, 0);
  say($("#orders"), figures ? `${figures} orders · ${orders.perMinute(now_s)} in the last minute` : "");
}

setInterval(tick, 500);
addEventListener("resize", () => board && drawLeaders(board));
