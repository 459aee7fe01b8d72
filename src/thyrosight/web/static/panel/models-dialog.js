// The dialog of models: lists the server's models with their numbers of results, chooses one, predicts again.

import { byId, fill, h } from "../page/dom.js";
import { confirmed } from "../page/dialogs.js";
import { plural } from "../page/format.js";
import { announce, tell } from "../page/messages.js";
import { asApiError } from "../server/api.js";

const KEPT = "Nodules keep their numbers, readings stay and are measured anew, the results so far are kept.";

export class ModelsDialog {
  /** @param {import("../server/models.js").Models} models @param {() => void} queued items wait again */
  constructor(models, queued) {
    this.models = models;
    this.queued = queued;
    byId("served").addEventListener("click", () => this.open());
    byId("models-form").addEventListener("submit", () => this.choose());
    models.addEventListener("changed", () => {
      const { chosen } = models;
      byId("served").textContent = chosen?.name ?? "";
      byId("served").title = `Model ${chosen?.id}. ${chosen?.risk_meaning}. Press to choose another.`;
    });
  }

  async open() {
    fill(byId("models"), h("li", { class: "faint" }, "Loading…"));
    byId("models-use").disabled = true;
    byId("models-dialog").showModal();
    try {
      this.draw(await this.models.list());
    } catch (error) {
      fill(byId("models"), h("li", { class: "problem" }, asApiError(error).message));
    }
  }

  /** @param {Api.ModelList} list */
  draw({ models, unusable }) {
    const num = models.filter((model) => model.is_available).length;
    byId("models-use").disabled = num < 2;
    fill(
      byId("models"),
      models.map((model) => this.line(model)),
      unusable.map(({ name, fault }) => h("li", { class: "problem small" }, `${name}: ${fault}`)),
      num < 2 ? h("li", { class: "faint small" }, "Start the server with --models FOLDER to have more to choose from.") : null, // prettier-ignore
    );
  }

  /** @param {Api.ListedModel} model */
  line(model) {
    const made = model.num_items ? `made ${plural(model.num_items, "result")} here` : "made no result here";
    const facts = [model.id, model.created?.slice(0, 10), made, model.risk_meaning].filter(Boolean).join(" · ");
    const again = () => this.predictAgain(model);
    return h(
      "li",
      {},
      h(
        "label",
        { class: "check" },
        h("input", { type: "radio", name: "model", value: model.id, checked: model.is_chosen, disabled: !model.is_available }), // prettier-ignore
        h(
          "span",
          {},
          h("strong", {}, model.name ?? "A model that is not here any more"),
          h("span", { class: "small faint model-facts" }, facts),
        ),
      ),
      model.num_items && !model.is_chosen
        ? h("button", { type: "button", class: "small-button", onclick: again }, `Predict ${plural(model.num_items, "image")} again`) // prettier-ignore
        : null,
    );
  }

  async choose() {
    const wanted = /** @type {HTMLInputElement | null} */ (byId("models").querySelector("input:checked"));
    if (!wanted || wanted.value === this.models.chosen?.id) return;
    try {
      await this.models.choose(wanted.value);
      announce(`${this.models.chosen?.name} predicts what is sent from now on.`);
    } catch (error) {
      tell(asApiError(error).message);
    }
  }

  /** @param {Api.ListedModel} model */
  async predictAgain(model) {
    byId("models-dialog").close("");
    const what = `Predict ${plural(model.num_items, "image")} again?`;
    if (!(await confirmed(what, `By ${this.models.chosen?.name}. ${KEPT}`, "Predict again"))) return;
    try {
      const { num_queued: num, num_left: left } = await this.models.predictAgain({ model: model.id });
      tell(`${plural(num, "image")} predicted again${left ? `; ${left} more when the queue has room` : ""}.`);
      this.queued();
    } catch (error) {
      tell(asApiError(error).message);
    }
  }
}
