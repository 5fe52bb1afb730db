// A participant's page: take a ticket, deal with it, hand it on. Needs the participant's token.
import { $, Live, ask, clockText, el, fill, keptToken, say, segmentLeft, showLink } from "/static/kit.js";

const LIFE_S = 30; // how often the server hears that somebody sits here
const RANK_S = 15; // how often somebody behind the first twenty asks for the place
const QUIET_S = 240; // after this long without a touch the page stops saying so, and the ticket goes back

let token = keptToken("participant", localStorage);
let me = null;
let mine = null; // {ticket, ahead, handled}
let taken_s = 0; // when the ticket came, as of its held_for_s
let board = null;
let standing = null; // of mine, {rank, total}
let ranked_s = 0; // when it was asked for
let live = null;
let touched_ms = Date.now();

for (const kind of ["keydown", "pointerdown", "pointermove"]) addEventListener(kind, () => (touched_ms = Date.now()), { passive: true });

async function open() {
  if (!token) return showJoin("");
  try {
    me = await ask("GET", "/workshop/me", { token });
  } catch (error) {
    if (error.status === 401 || error.status === 409) return forget(error.message);
    told(error);
    return setTimeout(open, 2000);
  }
  $("#join").hidden = true;
  $("#desk").hidden = false;
  say($("#name"), me.name);
  live ??= new Live({ topics: ["workshop.*", "tickets.*"], on: { link: showLink, event: take, gap: refresh } });
  refresh();
}

function take(event) {
  if (event.stream === "workshop.board") board = event.data;
  else if (event.stream === "workshop.session") heard(event.data);
  else if (event.data.participant_id === me.participant_id) refresh();
  if (event.stream === "workshop.board") {
    heard(board.session);
    place();
  }
  draw();
}

/** A session is told of: mine, or a later one, so mine is over. */
function heard(session) {
  if (session?.id === me.session.id) me.session = session;
  else if (session?.id > me.session.id) me.session = { ...me.session, state: "ended" };
}

/** Find my place. The board tells the first twenty alone; who stands behind them asks for all, now and then. */
async function place() {
  const mine = (leaders) => leaders.find((leader) => leader.participant_id === me.participant_id);
  const found = mine(board.leaders);
  if (found) standing = found;
  else if (Date.now() / 1000 - ranked_s > RANK_S) {
    ranked_s = Date.now() / 1000;
    const all = await ask("GET", "/api/workshop/analytics/leaderboard").catch(() => null);
    if (all) standing = mine(all.participants);
    draw();
  }
}

async function refresh() {
  try {
    got(await ask("GET", "/workshop/tickets/mine", { token }));
  } catch (error) {
    if (error.status === 401) forget(error.message);
  }
}

function got(answer) {
  if (answer.ticket?.id !== mine?.ticket?.id) $("#answer").value = "";
  mine = answer;
  if (mine.ticket) taken_s = Date.now() / 1000 - mine.ticket.held_for_s / me.session.clock.speed;
  draw();
}

async function act(path, body = {}, done = "") {
  try {
    const answer = await ask("POST", path, { body, token });
    told(null, done);
    if ("ahead" in answer) got(answer);
    else refresh();
    return true;
  } catch (error) {
    told(error);
    refresh();
    return false;
  }
}

function told(error, text = "") {
  $("#told").className = error ? "told bad" : "told";
  say($("#told"), error ? error.message : text);
}

function draw() {
  if (!mine || !me) return;
  const ticket = mine.ticket;
  $("#ticket").hidden = !ticket;
  $("#none").hidden = Boolean(ticket);
  if (ticket) {
    $("#ticket").className = `card ticket ${ticket.priority}`;
    say($("#priority"), ticket.priority);
    $("#priority").className = `chip ${ticket.priority === "critical" ? "bad" : ticket.priority === "high" ? "warn" : ""}`;
    say($("#category"), ticket.category);
    say($("#order"), ticket.order_number ? `order ${ticket.order_number}` : "");
    say($("#subject"), ticket.subject);
    say($("#description"), ticket.description);
    fill($("#tags"), ...ticket.tags.map((tag) => el("span", {}, `#${tag}`)));
  } else {
    const isOver = me.session.state === "ended";
    const waits = !isOver && mine.ahead !== null;
    say($("#none-title"), isOver ? "The hour is over" : waits ? (mine.ahead ? `${mine.ahead} before you` : "You are next") : "No ticket in your hands");
    say($("#none-told"), isOver ? "The next hour has another code: leave this browser, below, then join."
      : waits ? "The next ticket comes by itself; this page may stay open in the background."
      : "The customers of the business write all the time. Take one whenever your lab can wait.");
    $("#ask").hidden = waits || isOver;
    $("#leave").hidden = !waits;
  }
  fill($("#me"), ...[["place", standing ? standing.rank : "–"], ["points", standing ? standing.total : "–"], ["tickets", mine.handled]]
    .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));
  tick();
}

function tick() {
  if (!me || !live) return;
  const session = me.session;
  const segment = session.segments[session.segment];
  const left_s = segmentLeft(session, live.now_s());
  const runs = session.state === "running";
  say($("#step"), session.state === "ended" ? "the hour is over" : session.state === "paused" ? "paused" : "now");
  say($("#where"), session.state === "ended" ? session.name : segment.title);
  say($("#left"), session.state === "ended" ? "" : clockText(left_s));
  $("#left").className = left_s < 0 ? "left over" : "left";
  $("#ask").disabled = !runs;
  if (mine?.ticket) {
    const due_s = mine.ticket.response_target_s - (Date.now() / 1000 - taken_s) * session.clock.speed;
    say($("#due"), due_s < 0 ? `${clockText(-due_s)} late` : `${clockText(due_s)} to answer`);
    $("#due").className = due_s < 0 ? "due over" : "due";
  }
}

// ---------------------------------------------------------------------- joining

function showJoin(text) {
  $("#join").hidden = false;
  $("#desk").hidden = true;
  $("#link").className = "link";
  say($("#link"), "not joined");
  say($("#join-told"), text);
}

function forget(text) {
  localStorage.removeItem("participant");
  token = "";
  showJoin(text);
}

function newToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(24));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

let wished = newToken(); // kept over tries: a lost answer must not make a second participant

$("#join-form").onsubmit = async (submitted) => {
  submitted.preventDefault();
  try {
    const body = { code: $("#code").value.trim(), name: $("#by").value, token: wished, technology: "browser" };
    const answer = await ask("POST", "/workshop/join", { body });
    token = answer.token;
    wished = newToken();
    localStorage.setItem("participant", token);
    open();
  } catch (error) {
    say($("#join-told"), error.message);
  }
};

$("#ask").onclick = () => act("/workshop/tickets/request");
$("#leave").onclick = () => act("/workshop/tickets/leave");
$("#resolve").onclick = () => act(`/workshop/tickets/${mine.ticket.id}/resolve`, { text: $("#answer").value }, "Resolved. Thank you.");
$("#escalate").onclick = () => act(`/workshop/tickets/${mine.ticket.id}/escalate`, { text: $("#answer").value }, "Escalated to the next level.");
$("#return").onclick = () => act(`/workshop/tickets/${mine.ticket.id}/return`, {}, "Given back; somebody else will take it.");
$("#forget").onclick = () => forget("");
$("#paste-form").onsubmit = async (submitted) => {
  submitted.preventDefault();
  try {
    const answer = await ask("POST", "/workshop/me/paste", { body: { text: $("#paste").value }, token });
    say($("#paste-told"), answer.problems[0] || `${answer.added} added, ${answer.known} known before`);
  } catch (error) {
    say($("#paste-told"), error.message);
  }
};

setInterval(tick, 1000);
setInterval(() => {
  if (me && mine && (mine.ahead !== null || (mine.ticket && Date.now() - touched_ms < QUIET_S * 1000))) refresh();
}, LIFE_S * 1000);
open();
