// What the business page draws: orders that move on, the pipeline, regions, the support desk, voices.
// Text from people only ever goes in by textContent.
import { el, fill, say } from "/static/kit.js";

/** What an order goes through: status, its words. */
export const STAGES = [
  ["pending", "pending"],
  ["confirmed", "confirmed"],
  ["in_production", "in production"],
  ["shipped", "shipped"],
  ["delivered", "delivered"],
];
const PRIORITIES = ["critical", "high", "medium", "low"];
const ROWS = 24;
const SUBJECTS = 3;
const TICKETS = 200;
const KEPT = "business.rate";

/** 1234567890 cents → "$12.3M"; small amounts whole. */
export function money(cents) {
  const isBig = Math.abs(cents) >= 100_000_000;
  const how = isBig ? { notation: "compact", minimumFractionDigits: 1, maximumFractionDigits: 1 } : { maximumFractionDigits: 0 };
  return new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", ...how }).format(cents / 100);
}

/** The newest orders, each a row that stays in place in the page while its status moves on. */
export class OrderList {
  constructor(list, hold) {
    Object.assign(this, { list, hold, waiting: [], held: 0, statuses: new Map(), rows: new Map(), isHeld: false });
    hold.onclick = () => {
      this.isHeld = !this.isHeld;
      this.held = 0;
      hold.setAttribute("aria-pressed", String(this.isHeld));
      this.draw();
    };
  }

  add(order) {
    const number = String(order.orderNumber);
    if (this.rows.has(number)) return;
    this.rows.set(number, null);
    this.waiting.push(() => this.row(number, order));
    if (this.isHeld) this.held += 1;
  }

  gap(text) {
    this.waiting.push(() => el("li", { class: "gap" }, text));
  }

  status(number, status) {
    this.statuses.set(String(number), status);
    const row = this.rows.get(String(number));
    if (row) row.querySelector(".status").replaceWith(statusOf(status, "moved"));
  }

  draw() {
    say(this.hold, this.isHeld ? `Held · ${this.held} new` : "Hold");
    if (this.isHeld) {
      this.waiting = this.waiting.slice(-ROWS);
      return;
    }
    const isFirst = !this.list.childElementCount;
    for (const make of this.waiting.splice(0).slice(-ROWS)) {
      const row = make();
      this.list.prepend(row);
      if (!isFirst) row.classList.add("fresh");
    }
    while (this.list.childElementCount > ROWS) this.list.lastElementChild.remove();
    this.forget();
  }

  /** Keep no order that is no longer shown. */
  forget() {
    if (this.rows.size < 20 * ROWS) return;
    for (const [number, row] of this.rows) {
      if (!row?.isConnected) {
        this.rows.delete(number);
        this.statuses.delete(number);
      }
    }
    const unknown = [...this.statuses.keys()].filter((number) => !this.rows.has(number));
    for (const number of unknown.slice(0, -ROWS)) this.statuses.delete(number);
  }

  row(number, order) {
    const parts = Array.isArray(order.components) ? order.components : [];
    const who = [order.customer, [order.city, order.region].filter(Boolean).join(", ")].filter(Boolean).join(" · ");
    const more = parts.length ? ` · with ${parts.join(", ")}` : "";
    const row = el("li", { title: `${number}: ${who}${more}` },
      el("p", {}, el("span", { class: "product" }, String(order.product)), el("span", { class: "amount" }, money(order.amountCents))),
      el("p", {}, el("span", { class: "who" }, `${who}${more}`), statusOf(this.statuses.get(number) || "pending")));
    this.rows.set(number, row);
    return row;
  }
}

/** A status in words, and how far that is. */
function statusOf(status, kind = "") {
  const at = STAGES.findIndex(([id]) => id === status);
  const words = at < 0 ? status.replaceAll("_", " ") : STAGES[at][1];
  return el("span", { class: `status ${at === 4 || status === "cancelled" ? status : ""} ${kind}` }, words, " ",
    ...(at < 0 ? [] : STAGES.map((_, index) => el("i", { class: index <= at ? "done" : "" }))));
}

export function drawPipeline(target, byStatus) {
  STAGES.forEach(([id], index) => {
    const count = target.children[index].querySelector("strong");
    const text = (byStatus[id] ?? 0).toLocaleString("en");
    if (count.textContent === text) return;
    if (count.textContent !== "–") pulse(target.children[index]);
    say(count, text);
  });
}

export function drawRegions(target, told, byRegion) {
  const regions = Object.entries(byRegion).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
  const all = regions.reduce((sum, [, count]) => sum + count, 0);
  say(told, all ? "share of the orders" : "");
  const rows = new Map([...target.children].map((row) => [row.dataset.region, row]));
  const wanted = regions.map(([name, count]) => {
    const row = rows.get(name) || el("li", { "data-region": name }, el("span", {}, name), el("strong"), el("i", { class: "meter" }, el("b")));
    say(row.children[1], `${Math.round((count / all) * 100)} %`);
    row.querySelector("b").style.width = `${(count / regions[0][1]) * 100}%`;
    return row;
  });
  if (wanted.some((row, index) => row !== target.children[index]) || target.childElementCount !== wanted.length) fill(target, ...wanted);
}

/** Tickets that this page has seen opened and not seen closed, the newest last. */
export class Desk {
  constructor() {
    this.open = new Map();
  }

  take(what, ticket) {
    if (what !== "opened") return void this.open.delete(ticket.key);
    this.open.set(ticket.key, ticket);
    if (this.open.size > TICKETS) this.open.delete(this.open.keys().next().value);
  }

  /** After a gap: what closed meanwhile is not known. */
  forget() {
    this.open.clear();
  }
}

/** Open tickets by priority; of the world's count, what this page has not seen opened stands apart. */
export function drawPriorities(target, desk, told) {
  const counted = told?.byPriority;
  const seen = [...desk.open.values()];
  const of = (priority) => (counted ? counted[priority] ?? 0 : seen.filter((ticket) => ticket.priority === priority).length);
  const older = counted || !told ? 0 : Math.max(0, told.open - seen.length);
  fill(target, ...PRIORITIES.map((priority) => {
    const count = of(priority);
    return el("div", { class: count ? priority : "none" }, el("dt", {}, priority), el("dd", {}, String(count)));
  }), older ? el("div", { class: "none" }, el("dt", {}, "older"), el("dd", {}, String(older))) : null);
  target.style.gridTemplateColumns = `repeat(${target.childElementCount}, minmax(0, 1fr))`;
}

export function drawTickets(target, desk) {
  const newest = [...desk.open.values()].slice(-SUBJECTS).reverse();
  if (!newest.length) return fill(target, el("li", { class: "closed" }, el("span", {}, "No new ticket")));
  fill(target, ...newest.map((ticket) => el("li", { title: `${ticket.kind}, ${ticket.category}, ${ticket.orderNumber || ""}` },
    el("span", {}, String(ticket.subject)),
    el("span", { class: `chip ${ticket.priority === "critical" ? "bad" : ticket.priority === "high" ? "warn" : ""}` }, String(ticket.priority)))));
}

export function drawVoices(target, voices) {
  fill(target, ...voices.map(({ stream, data }) => {
    if (stream === "news") {
      return el("li", {}, el("span", { class: "news" }, "news"), el("span", { class: "text", title: data.title }, String(data.title)));
    }
    const stars = Math.max(0, Math.min(5, Math.round(Number(data.stars) || 0)));
    return el("li", {}, el("span", { class: `stars ${stars < 3 ? "low" : ""}`, role: "img", "aria-label": `${stars} of 5 stars` }, "★".repeat(stars) + "☆".repeat(5 - stars)),
      el("span", { class: "text", title: data.text }, `${data.text} `, el("span", { class: "by" }, [data.customer, data.region].filter(Boolean).join(", "))));
  }));
}

/** Draw attention to what has just changed. */
export function pulse(target) {
  if (!target) return;
  target.classList.remove("moved");
  requestAnimationFrame(() => target.classList.add("moved"));
}

/** Hide the rows that do not fit whole; where the page scrolls, those beyond `limit`. */
export function trim(list, isBounded, limit) {
  const rows = [...list.children];
  rows.forEach((row, index) => {
    row.hidden = !isBounded && index >= limit;
  });
  if (!isBounded) return;
  for (const row of rows.reverse()) {
    if (list.scrollHeight <= list.clientHeight) return;
    row.hidden = true;
  }
}

/** What a page that is loaded again has counted before; when the counting began, seconds since 1970. */
export function keptRate(rate, now_s) {
  try {
    const { since_s, times } = JSON.parse(sessionStorage.getItem(KEPT));
    rate.times = times.filter((at) => at > now_s - rate.window_s);
    return rate.times.length ? since_s : now_s;
  } catch {
    return now_s; // nothing was kept
  }
}

export function keepRate(rate, since_s) {
  sessionStorage.setItem(KEPT, JSON.stringify({ since_s, times: rate.times }));
}
