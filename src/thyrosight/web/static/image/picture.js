// Decoded pictures -> canvases that the viewer draws: gray values through a window, the malignancy map in colour.

/**
 * Window and level as a radiologist sets them: width and middle of the gray values that fill the range from black to
 * white.
 */
export const FULL_WINDOW = { width: 256, level: 128 };

/** @param {OffscreenCanvas} canvas */
const contextOf = (canvas) =>
  /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));

/** ImageBitmap -> a picture whose window can be set; it holds the source's values and redraws from them. */
export class Picture {
  /** @param {ImageBitmap} bitmap */
  constructor(bitmap) {
    this.width = bitmap.width;
    this.height = bitmap.height;
    this.canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    this.context = contextOf(this.canvas);
    this.context.drawImage(bitmap, 0, 0);
    bitmap.close();
    /** @type {ImageData | null} */
    this.source = null;
    this.window = { ...FULL_WINDOW };
  }

  /** @param {typeof FULL_WINDOW} window */
  setWindow({ width, level }) {
    if (width === this.window.width && level === this.window.level) return;
    this.window = { width, level };
    this.source ??= this.context.getImageData(0, 0, this.width, this.height);
    const table = windowTable(width, level);
    const from = this.source.data;
    const image = this.context.createImageData(this.width, this.height);
    const to = image.data;
    for (let i = 0; i < from.length; i += 4) {
      to[i] = table[from[i]];
      to[i + 1] = table[from[i + 1]];
      to[i + 2] = table[from[i + 2]];
      to[i + 3] = 255;
    }
    this.context.putImageData(image, 0, 0);
  }
}

/**
 * Window -> 256 shown values: 0 below the window, 255 above it, a straight line between.
 * @param {number} width
 * @param {number} level
 */
export function windowTable(width, level) {
  return Uint8ClampedArray.from({ length: 256 }, (_, value) =>
    Math.round(((value + 0.5 - (level - width / 2)) / width) * 255),
  );
}

const LOW = [70, 205, 255];
const MIDDLE = [92, 96, 108];
const HIGH = [255, 170, 40];

/** Risk 0 to 255 -> cyan, through gray at one half, to amber: the colours of the outlines. @param {number} value */
export function riskColour(value) {
  const [from, to, share] = value < 128 ? [LOW, MIDDLE, value / 128] : [MIDDLE, HIGH, (value - 128) / 127];
  return from.map((channel, i) => channel + (to[i] - channel) * share);
}

/** ImageBitmap of a malignancy map -> a canvas of the same size in colour. @param {ImageBitmap} bitmap */
export function colouredMap(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = contextOf(canvas);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const table = Array.from({ length: 256 }, (_, value) => riskColour(value));
  for (let i = 0; i < image.data.length; i += 4) {
    const [red, green, blue] = table[image.data[i]];
    image.data[i] = red;
    image.data[i + 1] = green;
    image.data[i + 2] = blue;
    image.data[i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
