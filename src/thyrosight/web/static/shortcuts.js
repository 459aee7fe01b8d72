// What each key does: the table that keyboard.js matches and that the help shows.

import { byId } from "./page/dom.js";

const PAN_PX = 40;
const FAR_PX = 5;

/** The page's parts -> groups of { shown, does, match, run, when }. */
export function keyGroups({ here, viewer, editor, clip, stage, list, queue, open, step, correcting }) {
  const inEdit = () => editor.isOn;
  const inView = () => !editor.isOn && here.reading !== null;
  const hasImage = () => here.reading !== null;
  const isClip = () => hasImage() && clip.count > 1;
  const onStage = (event) => event.target.closest(".stage, body") && hasImage();
  const go = (by) => () => open(queue.item(list.neighbour(by)));
  const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const arrows = (prefix) => Object.keys(direction).map((name) => prefix + name);
  const nudge = (pixels) => (event) => editor.nudge(...direction[event.key].map((one) => one * pixels));
  const panBy = (event) => viewer.pan(...direction[event.key].map((one) => -one * PAN_PX));
  const setWindow = (width, level) => () =>
    viewer.setWindow({ width: viewer.window.width + width, level: viewer.window.level + level });

  return [
    {
      title: "Images",
      keys: [
        { shown: "O", does: "add images", match: ["o"], run: () => byId("file-input").click() },
        { shown: "J K", does: "next, previous image", match: ["j"], run: go(1), when: () => !editor.isOn },
        { match: ["k"], run: go(-1), when: () => !editor.isOn },
        { shown: "N B", does: "next, previous nodule", match: ["n"], run: () => step(1), when: hasImage },
        { match: ["b"], run: () => step(-1), when: hasImage },
        {
          shown: ", .",
          does: "previous, next frame",
          match: [","],
          run: () => clip.step(-1),
          when: (event) => isClip() && inView(event),
        },
        { match: ["."], run: () => clip.step(1), when: (event) => isClip() && inView(event) },
        {
          shown: "Space",
          does: "play, pause",
          match: [" "],
          run: () => clip.toggle(),
          when: (event) => isClip() && inView(event),
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
          when: (event) => inView(event) && onStage(event),
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
          shown: "P D A",
          does: "points, redraw, add a nodule",
          match: ["p"],
          run: () => editor.key && editor.choose("points"),
          when: inEdit,
        },
        { match: ["d"], run: () => editor.key && editor.choose("draw"), when: inEdit },
        { match: ["a"], run: () => editor.choose("add"), when: inEdit },
        {
          shown: "Enter",
          does: "while adding: an ellipse in the middle",
          match: ["Enter"],
          run: () => editor.addEllipse(),
          when: () => inEdit() && editor.tool === "add",
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
        { shown: "I", does: "insert a point", match: ["i", "Insert"], run: () => editor.insertHere(), when: inEdit },
        {
          shown: "Delete",
          does: "delete the point; with Shift the nodule",
          match: ["Delete", "Backspace"],
          run: () => editor.deleteActive(),
          when: inEdit,
        },
        { match: ["Shift+Delete", "Shift+Backspace"], run: () => editor.deleteNodule(), when: inEdit },
        { shown: "G S", does: "grow, shrink by a pixel", match: ["g"], run: () => editor.grow(1), when: inEdit },
        { match: ["s"], run: () => editor.grow(-1), when: inEdit },
        { shown: "R", does: "back to the network's outline", match: ["r"], run: () => editor.revert(), when: inEdit },
        { shown: "Ctrl+Z", does: "undo; with Shift redo", match: ["Ctrl+z"], run: () => editor.undo(), when: inEdit },
        { match: ["Ctrl+Shift+z", "Ctrl+y"], run: () => editor.undo(true), when: inEdit },
        {
          shown: "Ctrl+S",
          does: "save the correction",
          match: ["Ctrl+s"],
          run: () => (editor.isOn ? correcting.finish() : correcting.save()),
          when: hasImage,
        },
        {
          shown: "Esc",
          does: "choose no point; then drop the changes",
          match: ["Escape"],
          run: () => escape(editor, correcting),
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

function escape(editor, correcting) {
  if (editor.active < 0 && editor.tool === "points") correcting.cancel();
  else if (editor.key) editor.choose("points");
  else correcting.cancel();
}
