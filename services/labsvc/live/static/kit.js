// What all pages share: the live connection, the session's clock, asking the API, small parts to draw with.
// No framework and no build step. Text from people only ever goes in by textContent.

/** One element: tag, attributes or properties, children. Strings become text, never markup. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const $ = (selector) => document.querySelector(selector);

/** Replace what an element holds. What would look the same stays: a button keeps its focus, and a press is not lost. */
export function fill(target, ...children) {
  const wanted = children.filter((child) => child !== null && child !== undefined);
  wanted.forEach((child, index) => {
    const now = target.childNodes[index];
    if (!now) target.append(child);
    else if (now !== child && !now.isEqualNode(child)) now.replaceWith(child);
  });
  while (target.childNodes.length > wanted.length) target.lastChild.remove();
}

/** Set an element's text, touching the page only when it changes. */
export function say(target, text) {
  const wanted = String(text);
  if (target.textContent !== wanted) target.textContent = wanted;
}

/** 754 → "12:34", 14399 → "3:59:59"; negative → "+0:12", over time. */
export function clockText(seconds) {
  const whole = Math.floor(Math.abs(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  const text = whole < 3600 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  return seconds < 0 ? `+${text}` : text;
}

/** Ask the API. Answers the JSON; throws an Error whose message is the one line that the server gave. */
export async function ask(method, path, { body, token } = {}) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Error("no connection; try again in a moment");
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const error = new Error(told.error || `status ${answer.status}`);
    error.status = answer.status;
    throw error;
  }
  return told;
}

/** A token out of the address, kept for this page, taken out of the address bar. */
export function keptToken(name, storage = sessionStorage) {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  if (found) {
    storage.setItem(name, found);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return storage.getItem(name) || "";
}

const SILENCE_MS = 45_000; // the server pings every 30 s
const PAUSE_MS = [300, 8_000]; // between two tries: first, longest

/**
 * The live connection: subscribes, comes back by itself, and continues where it stopped.
 * on.event(event), on.gap(reason, count or null): something is missing, on.link(isLive), on.error(text).
 */
export class Live {
  constructor({ topics, token = "", on }) {
    Object.assign(this, { topics, token, on });
    this.last = null;
    this.skew_s = 0; // the server's clock minus ours
    this.tries = 0;
    addEventListener("online", () => this.again(0));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.socket?.readyState !== WebSocket.OPEN) this.again(0);
    });
    this.connect();
  }

  /** The server's time, seconds since 1970. */
  now_s() {
    return Date.now() / 1000 + this.skew_s;
  }

  connect() {
    clearTimeout(this.timer);
    this.socket?.close();
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.socket = socket;
    socket.onopen = () => {
      const wanted = { type: "subscribe", topics: this.topics };
      if (this.token) wanted.token = this.token;
      if (this.last) wanted.lastTimestamp = this.last;
      socket.send(JSON.stringify(wanted));
      this.watch();
    };
    socket.onmessage = (message) => {
      if (socket !== this.socket) return;
      this.watch();
      this.take(JSON.parse(message.data));
    };
    socket.onclose = () => {
      if (socket === this.socket) this.again();
    };
  }

  take(message) {
    if (message.type === "event") this.one(message.data);
    else if (message.type === "batch") message.events.forEach((event) => this.one(event));
    else if (message.type === "ping") this.socket.send('{"type":"pong"}');
    else if (message.type === "gap") this.on.gap?.(message.reason, message.dropped);
    else if (message.type === "error") this.on.error?.(message.error);
    else if (message.type === "subscribed") {
      this.tries = 0;
      if (message.timestamp) this.skew_s = Date.parse(message.timestamp) / 1000 - Date.now() / 1000;
      this.on.link?.(true);
    }
  }

  one(event) {
    if (!this.last || event.timestamp > this.last) this.last = event.timestamp;
    this.on.event?.(event);
  }

  watch() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.again(0), SILENCE_MS);
  }

  again(wait_ms) {
    this.on.link?.(false);
    clearTimeout(this.timer);
    clearTimeout(this.silence);
    const grown = Math.min(PAUSE_MS[1], PAUSE_MS[0] * 2 ** this.tries++);
    this.timer = setTimeout(() => this.connect(), wait_ms ?? grown * (0.5 + Math.random()));
  }
}

/** Whether this page's address means "this machine" and nobody else can use it. */
export function isLoopback(host = location.hostname) {
  return host === "localhost" || host.endsWith(".localhost") || /^127\./.test(host) || host === "[::1]";
}

/** Seconds of the room's time until a scenario has gone, from a world's state told at `told_s`; null: nobody knows. */
export function scenarioLeft(world, told_s) {
  const told = world?.scenario?.secondsLeft;
  if (told === undefined || told === null || !world.pace) return null;
  return Math.max(0, told / world.pace - (Date.now() / 1000 - told_s));
}

/** Show in the header whether the page is live. */
export function showLink(isLive) {
  const link = $("#link");
  link.className = `link ${isLive ? "live" : "lost"}`;
  say(link, isLive ? "live" : "reconnecting …");
}

/** Where the session's clock stands now. */
export function sessionClock(session, now_s) {
  const clock = session.clock;
  return clock.clock_s + (clock.runs ? Math.max(0, now_s - clock.now_s) * clock.speed : 0);
}

/** Seconds left in the running segment; negative once it is over. */
export function segmentLeft(session, now_s) {
  const segment = session.segments[session.segment];
  return segment.minutes * 60 - (sessionClock(session, now_s) - session.segment_clock_s);
}

/** The hour as a band of segments, drawn to scale. Call again on every tick. */
export function drawHour(target, session, now_s) {
  if (target.childElementCount !== session.segments.length) {
    fill(target, ...session.segments.map((segment) => {
      const item = el("li", {}, el("span", { class: "band" }, el("b")), el("span", { class: "label" }));
      item.style.flexGrow = segment.minutes;
      item.title = `${segment.title}, ${segment.minutes} minutes`;
      return item;
    }));
  }
  const left_s = segmentLeft(session, now_s);
  session.segments.forEach((segment, index) => {
    const item = target.children[index];
    const isNow = index === session.segment && session.state !== "ended";
    const share = index < session.segment || session.state === "ended" ? 1 : isNow ? 1 - left_s / (segment.minutes * 60) : 0;
    item.className = isNow ? (left_s < 0 ? "now over" : "now") : "";
    item.querySelector("b").style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
    const label = item.querySelector(".label");
    const short = segment.title.replace(/^Step \d+: /, "");
    say(label, isNow ? `${short} ${clockText(left_s)}` : short);
    if (isNow) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
}

/** Counts events by second for a while, for a spark line. */
export class Rate {
  constructor(window_s) {
    this.window_s = window_s;
    this.times = [];
  }

  add(at_s) {
    this.times.push(at_s);
  }

  /** Events in the last minute. */
  perMinute(now_s) {
    return this.times.filter((at) => at > now_s - 60).length;
  }

  /** Counts in equal slices of the window, oldest first. */
  slices(now_s, count) {
    this.times = this.times.filter((at) => at > now_s - this.window_s);
    const found = new Array(count).fill(0);
    for (const at of this.times) {
      const slice = Math.floor(((at - now_s) / this.window_s + 1) * count);
      if (slice >= 0 && slice < count) found[slice] += 1;
    }
    return found;
  }
}

/** Draw values as a line with a wash below it. */
export function drawSpark(svg, values) {
  const top = Math.max(4, ...values);
  const points = values.map((value, index) => [(index / (values.length - 1)) * 100, 38 - (value / top) * 34]);
  const line = points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`).join("");
  svg.querySelector(".line").setAttribute("d", line);
  svg.querySelector(".under").setAttribute("d", `${line}L100 40L0 40Z`);
}
