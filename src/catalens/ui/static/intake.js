// Taking pictures in: dropped, pasted, chosen, or photographed.

import { button, failure, h, showDialog } from "./dom.js";

const ACCEPTED = "image/*,.heic,.heif,.avif";

/** Return a place to drop pictures, with buttons that choose a file or take a photograph. */
export function dropPlace({ say, onfiles, multiple = false, accept = ACCEPTED, small = false, camera = true }) {
  const chooser = h("input", { type: "file", accept, multiple, class: "unseen", tabindex: "-1", "aria-hidden": "true" });
  chooser.addEventListener("change", () => {
    take([...chooser.files]);
    chooser.value = "";
  });
  const place = h(
    "div",
    { class: small ? "drop small" : "drop" },
    h("p", { class: "say" }, say),
    h(
      "div",
      { class: "row" },
      button(multiple ? "Choose files" : "Choose a picture", () => chooser.click(), { class: small ? "" : "primary" }),
      camera ? button("Take a photo", () => photograph((file) => take([file]))) : null,
    ),
    chooser,
  );
  const take = (files) => files.length && onfiles(multiple ? files : files.slice(0, 1));
  place.addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("over");
  });
  place.addEventListener("dragleave", () => place.classList.remove("over"));
  place.addEventListener("drop", async (event) => {
    event.preventDefault();
    place.classList.remove("over");
    take(await dropped(event.dataTransfer));
  });
  return place;
}

/** Call back with pictures that are pasted while a panel is shown. */
export function onPaste(panel, onfile) {
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (panel.hidden || !file) return;
    event.preventDefault();
    onfile(file);
  });
}

/** Return the files of a drop, also those inside folders. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = await Promise.all(entries.map(filesOf));
  return found.flat();
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...(await Promise.all(some.map(filesOf))).flat());
  }
  return found;
}

async function photograph(onfile) {
  const video = h("video", { autoplay: true, playsinline: true, muted: true });
  const shoot = button("Take the picture", take, { class: "primary", disabled: true });
  const content = h("div", { class: "column" }, video, h("div", { class: "row" }, shoot, button("Cancel", () => dialog.close())));
  const dialog = showDialog("Take a photo", content);
  let stream = null;
  dialog.addEventListener("close", () => stream?.getTracks().forEach((track) => track.stop()));
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1600 } } });
    if (!dialog.open) stream.getTracks().forEach((track) => track.stop());
    video.addEventListener("loadeddata", () => {
      shoot.disabled = false; // before, a picture would have no pixels
      shoot.focus();
    });
    video.srcObject = stream;
  } catch {
    const cure = "No camera can be used here. Allow this page to use it in the browser's settings, or choose a picture instead.";
    video.replaceWith(failure(new Error(cure)));
  }

  function take() {
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob(
      (blob) => {
        dialog.close();
        onfile(new File([blob], "photo.jpg", { type: "image/jpeg" }));
      },
      "image/jpeg",
      0.92,
    );
  }
}

/** Return a picture as a `data:` address, which JSON can hold. */
export function dataAddress(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(new Error(`${file.name} cannot be read any more. Choose it again.`)));
    reader.readAsDataURL(file);
  });
}

/** Return an element that shows a picture; formats that this browser cannot show are named instead. */
export function preview(file, alt) {
  const address = URL.createObjectURL(file);
  const image = h("img", { src: address, alt });
  const freed = () => URL.revokeObjectURL(address);
  image.addEventListener("load", freed);
  image.addEventListener("error", () => {
    freed();
    image.replaceWith(h("p", { class: "nothing-shown" }, `${file.name}: this browser cannot show it; the service may still read it.`));
  });
  return image;
}
