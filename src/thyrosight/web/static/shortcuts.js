// The table of keys and their functions, which page/keyboard.js matches and the help shows.

import { carryOn } from "./carrying.js";
import { byId, targetOf } from "./page/dom.js";

const PAN_PX = 40;
const FAR_PX = 5;

/**
 * @typedef {object} PageParts what keys act on
 * @property {import("./open-frame.js").OpenFrame} here
 * @property {import("./image/viewer.js").Viewer} viewer
 * @property {import("./review/editor.js").Editor} editor
 * @property {import("./image/clip.js").ClipBar} clip
 * @property {import("./image/stage.js").Stage} stage
 * @property {import("./panel/work-list.js").WorkList} list
 * @property {(item: Api.Item | null) => void} open
 * @property {(by: number) => void} step to the next nodule
 * @property {import("./review/correcting.js").Correcting} correcting
 * @property {import("./work.js").Work} work
 */

/** @param {PageParts} parts @returns {import("./page/keyboard.js").ShortcutGroup[]} */
export function keyGroups({ here, viewer, editor, clip, stage, list, open, step, correcting, work }) {
  const inEdit = () => editor.isOn;
  const inView = () => !editor.isOn && here.review !== null;
  const hasImage = () => here.review !== null;
  const isClip = () => hasImage() && clip.count > 1;
  /** @param {KeyboardEvent} event */
  const onStage = (event) => targetOf(event).closest(".stage, body") && hasImage();
  /** @param {number} by */
  const go = (by) => () => open(list.neighbour(by));
  /** @type {Record<string, [number, number]>} */
  const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  /** @param {string} prefix */
  const arrows = (prefix) => Object.keys(direction).map((name) => prefix + name);
  const nudge = (/** @type {number} */ pixels) => (/** @type {KeyboardEvent} */ event) => {
    const [dx, dy] = direction[event.key];
    editor.nudge(dx * pixels, dy * pixels);
  };
  const panBy = (/** @type {KeyboardEvent} */ event) => {
    const [dx, dy] = direction[event.key];
    viewer.pan(-dx * PAN_PX, -dy * PAN_PX);
  };
  const setWindow = (/** @type {number} */ width, /** @type {number} */ level) => () =>
    viewer.setWindow({ width: viewer.window.width + width, level: viewer.window.level + level });

  const tool = (/** @type {import("./review/tools.js").Tool} */ name) => () => correcting.start(name);

  return [
    {
      title: "Images",
      keys: [
        { shown: "O", does: "add images", match: ["o"], run: () => byId("file-input").click() },
        { shown: "J K", does: "next, previous image", match: ["j"], run: go(1), when: () => !editor.isOn },
        { match: ["k"], run: go(-1), when: () => !editor.isOn },
        {
          shown: "G R S",
          does: "agree, read, skip; then the next that is not read",
          match: ["g"],
          run: () => work.judge("agreed"),
          when: inView,
        },
        { match: ["r"], run: () => work.judge("read"), when: inView },
        { match: ["s"], run: () => work.judge("skipped"), when: inView },
        {
          shown: "Shift+J",
          does: "next that is not read",
          match: ["J"],
          run: () => work.goOn(),
          when: () => !editor.isOn,
        },
        { shown: "/", does: "search the list", match: ["/"], run: () => byId("list-search").focus() },
        {
          shown: "Shift+Delete",
          does: "remove the image",
          match: ["Shift+Delete", "Shift+Backspace"],
          run: () => work.row && work.removeItem(work.row),
          when: () => !editor.isOn,
        },
        { shown: "N B", does: "next, previous nodule", match: ["n"], run: () => step(1), when: hasImage },
        { match: ["b"], run: () => step(-1), when: hasImage },
        {
          shown: ", .",
          does: "previous, next frame",
          match: [","],
          run: () => clip.step(-1),
          when: () => isClip() && inView(),
        },
        { match: ["."], run: () => clip.step(1), when: () => isClip() && inView() },
        {
          shown: "Space",
          does: "play, pause",
          match: [" "],
          run: () => clip.toggle(),
          when: () => isClip() && inView(),
        },
        {
          shown: "L",
          does: "frame with the largest section",
          match: ["l"],
          run: () => byId("largest").click(),
          when: isClip,
        },
      ],
    },
    {
      title: "View",
      keys: [
        { shown: "+ −", does: "zoom", match: ["+", "="], run: () => viewer.zoom(1.25), when: hasImage },
        { match: ["-", "−"], run: () => viewer.zoom(0.8), when: hasImage },
        { shown: "0", does: "fit", match: ["0"], run: () => viewer.fit(), when: hasImage },
        {
          shown: "1",
          does: "one pixel to one",
          match: ["1"],
          run: () => viewer.zoom(1 / viewer.scale),
          when: hasImage,
        },
        {
          shown: "← ↑ ↓ →",
          does: "move the image",
          match: arrows(""),
          run: panBy,
          when: (event) => inView() && onStage(event),
        },
        { shown: "[ ]", does: "level darker, brighter", match: ["["], run: setWindow(0, 8), when: hasImage },
        { match: ["]"], run: setWindow(0, -8), when: hasImage },
        { shown: "{ }", does: "window wider, narrower", match: ["{"], run: setWindow(16, 0), when: hasImage },
        { match: ["}"], run: setWindow(-16, 0), when: hasImage },
        { shown: "W", does: "full window", match: ["w"], run: () => stage.resetWindow(), when: hasImage },
        {
          shown: "H C M",
          does: "outlines, calipers, malignancy map",
          match: ["h"],
          run: () => stage.toggle("outlines"),
          when: hasImage,
        },
        { match: ["c"], run: () => stage.toggle("calipers"), when: hasImage },
        { match: ["m"], run: () => stage.toggle("map"), when: hasImage },
        { shown: "T", does: "network, yours, both", match: ["t"], run: () => stage.nextCompare(), when: inView },
      ],
    },
    {
      title: "Correct",
      keys: [
        { shown: "E", does: "start correcting", match: ["e"], run: () => correcting.start(), when: inView },
        {
          shown: "Q",
          does: "the network outlines where you click, or in a box",
          match: ["q"],
          run: tool("ask"),
          when: hasImage,
        },
        { shown: "A V", does: "add a nodule freehand, by a polygon", match: ["a"], run: tool("add"), when: hasImage },
        { match: ["v"], run: tool("polygon"), when: hasImage },
        { shown: "P D", does: "points, redraw", match: ["p"], run: tool("points"), when: hasImage },
        { match: ["d"], run: tool("draw"), when: hasImage },
        { shown: "F X", does: "brush, eraser", match: ["f"], run: tool("brush"), when: hasImage },
        { match: ["x"], run: tool("eraser"), when: hasImage },
        {
          shown: "< >",
          does: "smaller, larger: brush, or the network's outline",
          match: ["<"],
          run: () => editor.amount(-1),
          when: inEdit,
        },
        { match: [">"], run: () => editor.amount(1), when: inEdit },
        {
          shown: "Y J",
          does: "split the nodule, join it with the nearest",
          match: ["y"],
          run: tool("split"),
          when: hasImage,
        },
        { match: ["j"], run: () => editor.join(), when: inEdit },
        { shown: "U", does: "smooth", match: ["u"], run: () => editor.smooth(), when: inEdit },
        { shown: "Shift+C", does: "place a caliper", match: ["C"], run: tool("caliper"), when: hasImage },
        { shown: "Shift+R", does: "set the scale on the ruler", match: ["R"], run: tool("ruler"), when: hasImage },
        {
          shown: "Enter",
          does: "use the tool at the cross, which the arrows move",
          match: ["Enter"],
          run: () => editor.press(),
          when: (event) => inEdit() && onStage(event),
        },
        { shown: ", .", does: "previous, next point", match: [","], run: () => editor.stepPoint(-1), when: inEdit },
        { match: ["."], run: () => editor.stepPoint(1), when: inEdit },
        {
          shown: "← ↑ ↓ →",
          does: "move the point, or the outline; with Shift by five pixels",
          match: arrows(""),
          run: nudge(1),
          when: (event) => inEdit() && onStage(event),
        },
        { match: arrows("Shift+"), run: nudge(FAR_PX), when: (event) => inEdit() && onStage(event) },
        {
          shown: "I",
          does: "insert a point",
          match: ["i", "Insert"],
          run: () => editor.insertHere(),
          when: inEdit,
        },
        {
          shown: "Delete",
          does: "delete point, tool's last place or caliper; with Shift the nodule",
          match: ["Delete", "Backspace"],
          run: () => editor.deleteActive(),
          when: inEdit,
        },
        { match: ["Shift+Delete", "Shift+Backspace"], run: () => editor.deleteNodule(), when: inEdit },
        { shown: "G S", does: "grow, shrink by a pixel", match: ["g"], run: () => editor.grow(1), when: inEdit },
        { match: ["s"], run: () => editor.grow(-1), when: inEdit },
        { shown: "R", does: "back to the network's outline", match: ["r"], run: () => editor.revert(), when: inEdit },
        {
          shown: "Ctrl+Z",
          does: "undo everything, step by step; with Shift redo",
          match: ["Ctrl+z"],
          run: () => correcting.undo(),
          when: hasImage,
        },
        { match: ["Ctrl+Shift+z", "Ctrl+y"], run: () => correcting.undo(true), when: hasImage },
        {
          shown: "Shift+K",
          does: "carry the nodule to the next frame",
          match: ["K"],
          run: () => carryOn(work.parts),
          when: isClip,
        },
        {
          shown: "Ctrl+Enter",
          does: "save, and on to the next that is not read",
          match: ["Ctrl+Enter"],
          run: () => work.judge("read"),
          when: hasImage,
        },
        {
          shown: "Ctrl+S",
          does: "save the correction",
          match: ["Ctrl+s"],
          run: () => (editor.isOn ? correcting.finish() : correcting.save()),
          when: hasImage,
        },
        {
          shown: "Esc",
          does: "one step back in the tool; then leave, asked first",
          match: ["Escape"],
          run: () => editor.stepOut() || correcting.escape(),
          when: inEdit,
        },
      ],
    },
    {
      title: "Page",
      keys: [{ shown: "?", does: "this help", match: ["?"], run: () => byId("help-dialog").showModal() }],
    },
  ];
}
