// Filters for the table of texts before this script. Without scripts the whole table is shown, and no filter.
(() => {
  const viewer = document.currentScript.closest(".oo-texts");
  const filters = viewer.querySelector(".oo-texts-filters"), tally = viewer.querySelector(".oo-texts-tally");
  const chosen = [...filters.querySelectorAll("select")], blind = filters.querySelector("input");
  const rows = [...viewer.querySelectorAll("tbody tr")];

  function show() {
    for (const row of rows)
      row.hidden = chosen.some(({ name, value }) => value && !row.dataset[name].split(" ").includes(value));
    const left = rows.filter((row) => !row.hidden).length;
    viewer.querySelector(".oo-texts-count").textContent = `${left} of the ${rows.length} texts are shown.`;
    viewer.querySelector(".oo-texts-box").scrollTop = 0;
  }

  function hide() {
    viewer.classList.toggle("oo-blind", blind.checked);
    for (const row of rows) {
      row.classList.remove("oo-seen");
      delete row.dataset.said;
      row.querySelector(".oo-judge").hidden = !blind.checked;
    }
    count();
  }

  function judge(row, said) {
    row.dataset.said = said;
    row.classList.add("oo-seen");
    row.querySelector(".oo-judge").hidden = true;
    count();
  }

  // a text is good to gold if it puts it above 0, the mean of what the initial policy writes
  function count() {
    const judged = rows.filter((row) => row.dataset.said);
    const agreed = judged.filter((row) => row.dataset.said * row.dataset.gold > 0).length;
    tally.textContent = judged.length
      ? `You and gold agree on ${agreed} of ${judged.length}. Gold finds good what it puts above 0, the initial policy's mean.`
      : blind.checked ? "Good or bad? Say it of ten texts, and see how often gold agrees." : "";
  }

  chosen.forEach((select) => select.addEventListener("change", show));
  blind.addEventListener("change", hide);
  for (const row of rows) {
    const buttons = document.createElement("span");
    buttons.className = "oo-judge";
    for (const [word, said] of [["good", 1], ["bad", -1]]) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: word });
      button.addEventListener("click", () => judge(row, said));
      buttons.append(button);
    }
    row.querySelector(".oo-text").append(buttons);
  }
  filters.hidden = false;
  chosen[0].value = "random"; // what gold thinks of a text is no reason to be among the first that are read
  show();
  hide(); // a browser keeps a tick over a reload
})();
