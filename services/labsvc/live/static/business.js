// The live business for a room: read-only, without a token. Figures are the world's own; the lists are what this page
// has seen. What draws single things stands in business-parts.js.
import { $, Live, Rate, clockText, drawSpark, el, fill, say, scenarioLeft, showLink } from "/static/kit.js";
import { STAGES, Desk, OrderList, drawPipeline, drawPriorities, drawRegions, drawTickets, drawVoices, keepRate, keptRate, money, pulse, trim } from "/static/business-parts.js";

const WINDOW_S = 900;
const SLICE_S = 15;
const VOICES = 12;
const PHONE_ROWS = 8;

let world = null; // the newest state, with the figures of the last one that told some
let told_s = 0; // when it came
let wasLive = false;
let isLive = false;
let voices = [];
let stale = new Set(); // parts to draw again
const desk = new Desk();
const orders = new OrderList($("#orders"), $("#hold"));
const rate = new Rate(WINDOW_S);
const opened_s = keptRate(rate, Date.now() / 1000);
const known_s = Math.max(0, ...rate.times); // older events were counted before this page was loaded again

const live = new Live({
  topics: ["world.*", "orders.*", "support.*", "customers.feedback", "news", "visits.lost"],
  on: { link, event: take, gap: missed },
});

function link(isUp) {
  isLive = isUp;
  wasLive ||= isUp;
  showLink(isUp);
  redraw("notice");
}

/** Some events are lost to this page: say where, and forget what may no longer be so. */
function missed(reason, dropped) {
  const count = dropped ? `${dropped} events` : "Some events";
  orders.gap(`${count} were missed here: ${reason === "restarted" ? "the business was started again" : reason}`);
  desk.forget();
  redraw("support", "orders");
}

function take(event) {
  const { stream, data } = event;
  if (stream.startsWith("world.")) state(data);
  else if (stream === "orders.placed") placed(event);
  else if (stream === "orders.status") {
    orders.status(data.orderNumber, String(data.status));
    redraw("orders");
  } else if (stream.startsWith("support.")) {
    desk.take(stream.slice("support.".length), data);
    redraw("support");
  } else if (stream === "customers.feedback" || stream === "news") {
    voices = [event, ...voices].slice(0, VOICES);
    redraw("voices");
  } else if (stream === "visits.lost") pulse($("#lost-tile"));
}

function placed({ timestamp, data, past }) {
  const at_s = Date.parse(timestamp) / 1000;
  if (at_s > known_s && !past) rate.add(at_s); // what was before the world opened is shown, not counted
  orders.add(data);
  $("#no-orders").hidden = true;
  redraw("orders");
  pulse($("#regions").querySelector(`[data-region="${CSS.escape(String(data.region))}"]`));
}

/** Of several worlds the one that sells. */
function state(told) {
  if (world && world.world !== told.world && (world.world === "commerce" || told.world !== "commerce")) return;
  world = { ...world, ...told };
  told_s = Date.now() / 1000;
  redraw("state", "notice", "support");
}

function redraw(...parts) {
  if (!stale.size) requestAnimationFrame(draw);
  for (const part of parts) stale.add(part);
}

function draw() {
  const parts = stale;
  stale = new Set();
  if (parts.has("state")) drawState();
  if (parts.has("notice")) drawNotice();
  if (parts.has("orders")) orders.draw();
  if (parts.has("support")) {
    drawPriorities($("#priorities"), desk, world?.figures?.tickets);
    drawTickets($("#tickets"), desk);
  }
  if (parts.has("voices")) drawVoices($("#voices"), voices);
  fit();
}

/** Show no half rows where the page does not scroll. */
function fit() {
  for (const list of [$("#orders"), $("#regions"), $("#voices")]) trim(list, innerWidth > 900, PHONE_ROWS);
}

function drawState() {
  const { figures = {}, title, mode } = world;
  say($("#name"), title || "Business");
  $("#mode").hidden = !mode;
  say($("#mode"), mode === "workshop" ? "workshop mode" : `${mode} mode`);
  number($("#orders-today"), figures.ordersToday);
  say($("#revenue-today"), figures.amountTodayCents === undefined ? "–" : money(figures.amountTodayCents));
  number($("#open-tickets"), figures.tickets?.open);
  number($("#visits-lost"), figures.visits?.lost);
  number($("#undelivered"), figures.undelivered);
  const { asked = 0, lost = 0 } = figures.visits || {};
  say($("#visits-share"), asked ? `of ${asked.toLocaleString("en")}` : "");
  $("#lost-tile").classList.toggle("bad", asked > 0 && lost / asked > 0.01);
  say($("#orders-told"), figures.orders ? `${figures.orders.toLocaleString("en")} in all` : "");
  say($("#support-told"), figures.tickets ? `${figures.tickets.resolved} resolved · ${figures.tickets.escalated} escalated` : "");
  drawPipeline($("#pipeline"), figures.byStatus || {});
  const cancelled = figures.byStatus?.cancelled;
  $("#pipeline").title = cancelled ? `${cancelled} cancelled` : "";
  drawRegions($("#regions"), $("#regions-told"), figures.byRegion || {});
  drawScenario();
}

function drawScenario() {
  const now = world.scenario;
  const panel = $("#scenario");
  const status = now ? String(now.status) : "";
  panel.className = `scenario ${["active", "settling"].includes(status) ? status : ""}`;
  say($("#scenario-told"), now ? `scenario · ${status}` : "nothing special is going on");
  say($("#scenario-name"), now ? now.name || now.id : "Business as usual");
  const left_s = scenarioLeft(world, told_s);
  say($("#scenario-left"), left_s === null ? "" : clockText(left_s));
  const progress = now?.progress;
  $("#scenario-meter").hidden = progress === undefined || progress === null;
  $("#scenario-progress").style.width = `${Math.max(0, Math.min(1, progress || 0)) * 100}%`;
}

function drawNotice() {
  const [text, kind] = notice();
  const target = $("#notice");
  target.hidden = !text;
  target.className = `notice ${kind}`;
  say(target, text);
  $("#page").classList.toggle("stale", kind === "stale" || kind === "down");
}

/** The one thing that the room must know before it reads on. */
function notice() {
  if (wasLive && !isLive) return ["The connection is lost. What you see may be old; it comes back by itself.", "stale"];
  if (isLive && !world) return ["No business runs here yet.", "calm"];
  if (world && !world.running) return ["The business does not run at the moment. It is started again by itself.", "down"];
  if (world?.maintenance) {
    const left_s = maintenanceLeft(world.maintenance.until);
    const back = left_s === null ? "" : `, back in ${clockText(left_s)}`;
    return [`Maintenance: the shop is closed${back}. Customers are turned away.`, "shut"];
  }
  if (world && world.pace === 0) return ["The business stands still until somebody lets it go on.", "calm"];
  return ["", ""];
}

/** Until when, by whichever of the two clocks it was said. */
function maintenanceLeft(until) {
  const until_s = typeof until === "number" ? until : Date.parse(until) / 1000;
  if (!Number.isFinite(until_s)) return null;
  const waits_s = [until_s - live.now_s()];
  const its_s = itsTime_s();
  if (its_s !== null && world.pace) waits_s.push((until_s - its_s) / world.pace);
  return Math.max(0, waits_s.sort((a, b) => Math.abs(a) - Math.abs(b))[0]);
}

/** The simulated clock between two states, seconds since 1970 as it says them; null when it says nothing. */
function itsTime_s() {
  const text = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?/.exec(world?.simTime || "")?.[0];
  if (!text) return null;
  const passed_s = world.running ? Math.min(5, Math.max(0, Date.now() / 1000 - told_s)) : 0;
  return Date.parse(`${text.replace(" ", "T")}Z`) / 1000 + passed_s * (world.pace || 0);
}

function drawClock() {
  const its_s = itsTime_s();
  const when = its_s === null ? null : new Date(its_s * 1000);
  const part = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options }).format(when);
  say($("#clock"), when ? part({ hour: "2-digit", minute: "2-digit" }) : "–:–");
  say($("#day"), when ? part({ weekday: "long", day: "numeric", month: "long" }) : "the business");
  const pace = world?.pace;
  say($("#pace"), !world || pace === undefined ? "" : pace === 0 ? "its time stands still"
    : pace === 1 ? "simulated time, as fast as ours" : `simulated time, ${pace.toLocaleString("en")}× ours`);
}

function tick() {
  const now_s = live.now_s();
  if (world) {
    drawClock();
    const left_s = scenarioLeft(world, told_s);
    if (left_s !== null) say($("#scenario-left"), clockText(left_s));
  }
  drawNotice();
  rate.window_s = Math.min(WINDOW_S, Math.max(120, Date.now() / 1000 - opened_s)); // what this page has seen
  const quarter = Math.floor(rate.window_s / SLICE_S);
  const slices = rate.slices(now_s, quarter);
  const minutes = slices.map((_, i) => slices.slice(Math.max(0, i - 3), i + 1).reduce((sum, n) => sum + n, 0)).slice(3);
  drawSpark($("#spark"), minutes);
  say($("#rate"), rate.perMinute(now_s));
  say($("#rate-told"), `last ${Math.round(rate.window_s / 60)} min`);
}

function number(target, value) {
  say(target, value === undefined || value === null ? "–" : value.toLocaleString("en"));
}

fill($("#pipeline"), ...STAGES.map(([, name]) => el("li", {}, el("strong", {}, "–"), el("span", {}, name))));
setInterval(tick, 500);
tick();
addEventListener("resize", fit);
addEventListener("pagehide", () => keepRate(rate, opened_s));
