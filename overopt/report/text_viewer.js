// Filters for the table of texts before this script. Without scripts the whole table is shown, and no filter.
(() => {
  const viewer = document.currentScript.closest(".oo-texts");
  const filters = viewer.querySelector(".oo-texts-filters");
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
    rows.forEach((row) => row.classList.remove("oo-seen"));
  }

  chosen.forEach((select) => select.addEventListener("change", show));
  blind.addEventListener("change", hide);
  rows.forEach((row) => row.addEventListener("click", () => row.classList.toggle("oo-seen")));
  filters.hidden = false;
  chosen[0].value = "random"; // what gold thinks of a text is no reason to be among the first that are read
  show();
  hide(); // a browser keeps a tick over a reload
})();
