// Shows the providers whose name has what was typed. Without this script, the letters lead to them.
const field = document.querySelector("#find");
const groups = [...document.querySelectorAll(".group")];
const nothing = document.querySelector("#nothing");

const plain = (text) => text.normalize("NFKD").toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

const find = () => {
  const wanted = plain(field.value);
  let found = 0;
  for (const group of groups) {
    let here = 0;
    for (const item of group.querySelectorAll("li")) {
      item.hidden = !plain(item.dataset.names).includes(wanted);
      here += item.hidden ? 0 : 1;
    }
    group.hidden = here === 0;
    found += here;
  }
  nothing.hidden = found > 0;
};

field.closest("label").hidden = false;
field.addEventListener("input", find);
// A browser may bring back what was typed before.
find();
