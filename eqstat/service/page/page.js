"use strict";
// Everything that comes from the service is set as text or number, never as markup.
const NS = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
function svg(name, attributes, text) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}
function html(name, text, parent) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}
const clock = (s) => new Date(1000 * s).toISOString().slice(11, 19);
const fixed = (x, digits) => (Number.isFinite(x) ? x.toFixed(digits) : "-");

function map(region, quakes, now) {
  const [south, north, west, east] = region.box;
  const shrink = Math.cos(((south + north) / 2) * Math.PI / 180);
  const width = 400, height = Math.min(500, Math.max(150, width * (north - south) / ((east - west) * shrink)));
  const x = (lon) => 10 + (width - 20) * (lon - west) / (east - west);
  const y = (lat) => 10 + (height - 20) * (north - lat) / (north - south);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `map of ${region.name}` });
  root.append(svg("rect", { x: 1, y: 1, width: width - 2, height: height - 2, fill: "none", stroke: "#8886" }));
  for (const [lat, lon] of region.places) root.append(svg("circle", { cx: x(lon), cy: y(lat), r: 1.2, fill: "#8888" }));
  for (const [lat, lon, time] of region.triggers) {
    const age = Math.max(0, Math.min(1, (now - time) / 60));
    root.append(svg("circle", { cx: x(lon), cy: y(lat), r: 3, fill: "#d68910", "fill-opacity": 1 - age }));
  }
  for (const quake of quakes) {
    const km = (width - 20) / ((east - west) * 111.2 * shrink);
    const radius = Math.max(6, 2.15 * km * Math.max(quake.sd_east_km, quake.sd_north_km));
    root.append(svg("circle", { cx: x(quake.longitude), cy: y(quake.latitude), r: radius, fill: "#c0392b33", stroke: "#c0392b" }));
    root.append(svg("text", { x: x(quake.longitude) + 6, y: y(quake.latitude) - 6 }, `M ${fixed(quake.magnitude, 1)}`));
  }
  root.append(svg("text", { x: 14, y: height - 14 }, `${fixed(south, 2)} to ${fixed(north, 2)} N, ${fixed(west, 2)} to ${fixed(east, 2)} E`));
  return root;
}

// Log odds: 0.5 in the middle, a millionth and a millionth less than 1 at the ends.
function course(region, now) {
  const width = 400, height = 120, span = 300;
  const odds = (p) => Math.log(Math.max(p, 1e-9) / Math.max(1 - p, 1e-9));
  const y = (p) => height / 2 - (height / 2 - 12) * Math.max(-1, Math.min(1, odds(p) / 13.8));
  const x = (t) => 40 + (width - 50) * (1 - (now - t) / span);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `probability in ${region.name}` });
  for (const p of [1e-6, 0.001, 0.5, 0.999]) {
    root.append(svg("line", { x1: 40, x2: width - 10, y1: y(p), y2: y(p), stroke: "#8884" }));
    root.append(svg("text", { x: 2, y: y(p) + 4 }, String(p)));
  }
  const threshold = y(region.least_probability);
  root.append(svg("line", { x1: 40, x2: width - 10, y1: threshold, y2: threshold, stroke: "#c0392b", "stroke-dasharray": "4 3" }));
  const points = region.history.filter(([t]) => now - t < span).map(([t, p]) => `${x(t).toFixed(1)},${y(p).toFixed(1)}`);
  root.append(svg("polyline", { points: points.join(" "), fill: "none", stroke: "#2471a3", "stroke-width": 1.5 }));
  return root;
}

function show(status) {
  const now = status.now_s;
  byId("name").textContent = status.service;
  byId("mode").textContent = status.mode === "actual" ? "" : `(${status.mode}: no warnings)`;
  byId("health").textContent =
    `${clock(now)} UTC, broker ${status.connected ? "connected" : "NOT CONNECTED"}, ` +
    `${status.active} of ${status.devices} devices active, backlog ${status.backlog}, ` +
    `median decision ${fixed(status.latency.quiet.median_ms, 1)} ms, 99.9 % ${fixed(status.latency.quiet.p999_ms, 1)} ms`;
  const banner = byId("banner");
  banner.className = status.quakes.length ? "on" : "";
  banner.textContent = status.quakes.map((q) => `Earthquake, probability ${fixed(q.probability, 3)}, ` +
    `M ${fixed(q.magnitude, 1)}, ${fixed(q.latitude, 2)} N ${fixed(q.longitude, 2)} E`).join("; ");
  const regions = byId("regions");
  regions.replaceChildren();
  for (const region of status.regions) {
    const card = html("div", undefined, regions);
    card.className = "card";
    html("h2", `${region.name}: ${region.active} of ${region.devices} active${region.awake ? ", awake" : ""}`, card);
    card.append(map(region, status.quakes, now), course(region, now));
    const causes = Object.entries(region.causes).map(([name, p]) => `${name} ${fixed(p, 3)}`);
    html("p", causes.join(", "), card).className = "dim";
  }
  const rows = byId("alarms").tBodies[0];
  rows.replaceChildren();
  for (const a of status.alarms) {
    const row = html("tr", undefined, rows);
    for (const text of [clock(a.issued_s), a.action, a.mode, fixed(a.probability, 3), fixed(a.magnitude, 1),
      `${fixed(a.latitude, 2)}, ${fixed(a.longitude, 2)}`, `${a.id} (${a.revision})`]) html("td", text, row);
  }
  const counts = byId("messages").tBodies[0];
  counts.replaceChildren();
  for (const [name, number] of Object.entries(status.messages)) {
    const row = html("tr", undefined, counts);
    html("td", name.toLowerCase().replaceAll("_", " "), row);
    html("td", String(number), row);
  }
}

async function look() {
  try {
    const reply = await fetch("/status.json");
    show(await reply.json());
  } catch (error) {
    byId("health").textContent = `no answer of the service (${error.message})`;
  }
  setTimeout(look, 1000);
}
look();
