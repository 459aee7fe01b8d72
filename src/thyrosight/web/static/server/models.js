// The models of this server: the model that predicts new images, the models of earlier results; predicts again.

import { getJson, sendJson } from "./api.js";

/** Events: `changed` (the model that is chosen is known, or is another one). */
export class Models extends EventTarget {
  constructor() {
    super();
    /** @type {Pick<Api.ServedModel, "id" | "name" | "risk_meaning" | "operating_points"> | null} the model that predicts new images */
    this.chosen = null;
  }

  /** @param {Api.ServedModel} model */
  took(model) {
    this.chosen = model;
    this.dispatchEvent(new Event("changed"));
  }

  /** The risk from which the list calls an image high: the chosen model's first operating point, 0.5 without one. */
  get threshold() {
    return this.chosen?.operating_points[0]?.threshold ?? 0.5;
  }

  /** @returns {Promise<Api.ModelList>} */
  list() {
    return getJson("models");
  }

  /** @param {string} id */
  async choose(id) {
    this.took(await sendJson("PUT", "model", { id }));
  }

  /** @param {{ items: string[] } | { model: string }} which @returns {Promise<Api.QueuedAgain>} */
  predictAgain(which) {
    return sendJson("POST", "predict-again", which);
  }

  /** Whether a result is by another model than the chosen one. @param {Api.Prediction} prediction */
  isOther({ model }) {
    return this.chosen !== null && this.chosen.id !== model.id;
  }
}
