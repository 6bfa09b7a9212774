#include "echopath/core/files.hpp"
#include "generation/gallery.hpp"

namespace echopath::generation {
namespace {

constexpr const char* kHead = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>echopath samples</title>
<style>
body { margin: 1.5rem; background: #14171c; color: #dde3ea; font: 15px/1.4 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin: 0 0 .3rem; }
p { color: #93a0ae; margin: 0 0 1rem; }
button { margin: 0 .4rem .8rem 0; padding: .3rem .9rem; border: 1px solid #3a4450;
  border-radius: 1rem; background: none; color: inherit; font: inherit; cursor: pointer; }
button[aria-pressed="true"] { background: #2f81f7; border-color: #2f81f7; color: #fff; }
#videos { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 1rem; }
figure { margin: 0; background: #1c2128; border-radius: .4rem; overflow: hidden; }
video, img, .note { width: 100%; aspect-ratio: 1; display: block; background: #000; object-fit: contain; }
.note { display: grid; place-content: center; box-sizing: border-box; padding: 1rem; text-align: center; }
figcaption { padding: .4rem .6rem; font-size: .85rem; color: #93a0ae; }
figcaption b { color: #dde3ea; }
a { color: #79b8ff; }
</style>
</head>
<body>
<h1>echopath samples</h1>
<p>Synthetic echocardiograms for research; not for diagnosis.</p>
<div id="filters"></div>
<div id="videos"></div>
<script>
const videos = )html";

constexpr const char* kTail = R"html(;
const filters = document.getElementById("filters");
const grid = document.getElementById("videos");
const address = file => file.split("/").map(encodeURIComponent).join("/");
const lastPart = file => file.split("/").pop();
const still = matchMedia("(prefers-reduced-motion: reduce)");
function link(file, text) {
  return Object.assign(document.createElement("a"), {href: address(file), textContent: text});
}
// Stands where a video would play.
function note(text, file) {
  const box = Object.assign(document.createElement("div"), {className: "note"});
  const line = document.createElement("span");
  line.append(text, link(file, lastPart(file)));
  box.append(line);
  return box;
}
function caption(video) {
  const box = document.createElement("figcaption");
  const title = document.createElement("b");
  title.textContent = video.class;
  box.append(title, ` · seed ${video.seed} · w ${video.guidance_scale} · ${video.frames} frames`);
  if (!video.filtered) box.append(" · did not pass the privacy gate");
  for (const file of video.files) {
    if (file === video.file) box.append(document.createElement("br"), link(file, lastPart(file)));
    else box.append(" · ", link(file, file.split("/")[0].toLowerCase()));
  }
  return box;
}
// Many videos at once would be too many for a browser: those that are seen play, but for those that
// were paused by hand. One that may not play shows its first frame and its controls.
const pausedByPage = new WeakSet(), pausedByHand = new WeakSet();
const onScreen = new IntersectionObserver(entries => {
  for (const {target, isIntersecting} of entries) {
    if (isIntersecting) {
      target.preload = "metadata";
      if (!still.matches && !pausedByHand.has(target)) target.play().catch(() => {});
    } else if (!target.paused) {
      pausedByPage.add(target);
      target.pause();
    }
  }
});
function playerOf(video) {
  const player = document.createElement("video");
  Object.assign(player, {src: address(video.player), controls: true, loop: true, muted: true,
                         playsInline: true, preload: "none"});
  player.onplay = () => pausedByHand.delete(player);
  player.onpause = () => pausedByPage.delete(player) || pausedByHand.add(player);
  onScreen.observe(player);
  return player;
}
function pictureOf(video) {
  if (!video.player) return note("No browser plays this video: ", video.file);
  if (!video.player.endsWith(".gif")) return playerOf(video);
  if (still.matches) return note("A moving picture: ", video.player);
  return Object.assign(document.createElement("img"),
                       {src: address(video.player), loading: "lazy", alt: video.class});
}
function show(wanted) {
  for (const button of filters.children)
    button.setAttribute("aria-pressed", String(button.dataset.class === wanted));
  onScreen.disconnect();
  grid.replaceChildren();
  for (const video of videos) {
    if (wanted && video.class !== wanted) continue;
    const figure = document.createElement("figure");
    figure.append(pictureOf(video), caption(video));
    grid.append(figure);
  }
}
for (const wanted of ["", ...new Set(videos.map(video => video.class))]) {
  const button = document.createElement("button");
  button.textContent = wanted || "all";
  button.dataset.class = wanted;
  button.onclick = () => show(wanted);
  filters.append(button);
}
show("");
</script>
</body>
</html>
)html";

/// JSON inside a script element must not hold "</": a class name could end the script.
std::string escape_for_script(const std::string& json) {
  std::string text;
  for (const char c : json) text += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return text;
}

/// The video, and what else there is of it.
std::vector<std::string> files_of(const ManifestEntry& entry) {
  std::vector<std::string> files = {entry.file};
  files.insert(files.end(), entry.also.begin(), entry.also.end());
  return files;
}

/// The file that a browser plays, an MP4 or else a GIF; empty where there is none.
std::string player_of(const ManifestEntry& entry) {
  for (const char* ending : {".mp4", ".gif"}) {
    for (const std::string& file : files_of(entry)) {
      if (file.ends_with(ending)) return file;
    }
  }
  return "";
}

}  // namespace

void write_index(const std::vector<ManifestEntry>& entries, const std::filesystem::path& html) {
  config::Json list = config::Json::array();
  for (const ManifestEntry& entry : entries) {
    list.push_back({{"file", entry.file},
                    {"player", player_of(entry)},
                    {"files", files_of(entry)},
                    {"class", entry.class_name},
                    {"seed", entry.seed},
                    {"guidance_scale", entry.guidance_scale},
                    {"frames", entry.frames},
                    {"filtered", entry.filtered}});
  }
  write_file(html, kHead + escape_for_script(list.dump()) + kTail);
}

}  // namespace echopath::generation
