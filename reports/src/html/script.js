// Zoom, filters and details of the diagram, and the copy button. The page says everything without it.
(() => {
  const $ = (s, e = document) => e.querySelector(s), $$ = (s, e = document) => [...e.querySelectorAll(s)];
  document.documentElement.classList.add('js');
  for (const b of $$('[data-copy]')) b.onclick = async () => {
    const text = $('#' + b.dataset.copy).textContent;
    try { await navigator.clipboard.writeText(text); } catch {
      const r = document.createRange(); r.selectNodeContents($('#' + b.dataset.copy));
      getSelection().removeAllRanges(); getSelection().addRange(r); document.execCommand('copy');
    }
    say('Copied.');
  };
  const say = text => { const s = $('#said'); if (s) s.textContent = text; };
  const svg = $('#run'); if (!svg) return;
  const left = +svg.dataset.left, right = +svg.dataset.right, end = +svg.dataset.end;
  const things = $$('[data-t]', svg), ticks = $$('.tick', svg);
  let a = 0, b = end, at = -1;
  const x = t => left + (t - a) / (b - a) * (right - left);
  const time = t => (t / 1e9).toFixed(b - a < 2e9 ? 6 : 3) + ' s';
  const place = () => {
    for (const e of things) {
      const t = +e.dataset.t, u = +(e.dataset.u ?? t), gone = u < a || t > b;
      e.style.visibility = gone ? 'hidden' : '';
      if (gone) continue;
      if (e.tagName === 'line') { e.setAttribute('x1', x(t)); e.setAttribute('x2', x(u)); }
      else if (e.tagName === 'rect') {
        const from = Math.max(x(t), left), to = Math.min(x(u), right);
        e.setAttribute('x', from); e.setAttribute('width', Math.max(to - from, 1));
      } else e.setAttribute('transform', `translate(${x(t)} ${e.dataset.y})`);
    }
    ticks.forEach((e, i) => { e.textContent = time(a + (b - a) * i / (ticks.length - 1)); });
  };
  const look = (from, to) => {
    const least = 1000; // nanoseconds
    if (to - from < least) { const m = (from + to) / 2; from = m - least / 2; to = m + least / 2; }
    if (to - from > end) { from = 0; to = end; }
    if (from < 0) { to -= from; from = 0; }
    if (to > end) { from -= to - end; to = end; }
    a = Math.max(from, 0); b = to; place();
  };
  const zoom = (by, around = (a + b) / 2) => look(around - (around - a) * by, around + (b - around) * by);
  const pan = by => { const d = (b - a) * by; look(a + d, b + d); };
  for (const e of $$('[data-look]')) e.onclick = () => { const [f, t] = e.dataset.look.split(' ').map(Number); look(f, t); };
  $('#in').onclick = () => zoom(.5); $('#out').onclick = () => zoom(2);
  $('#back').onclick = () => pan(-.5); $('#on').onclick = () => pan(.5);
  svg.addEventListener('wheel', e => {
    if (!e.ctrlKey && !e.shiftKey) return;
    e.preventDefault();
    const r = svg.getBoundingClientRect(), px = (e.clientX - r.left) * svg.viewBox.baseVal.width / r.width;
    zoom(e.deltaY < 0 ? .8 : 1.25, a + (px - left) / (right - left) * (b - a));
  }, { passive: false });
  for (const e of $$('[data-hide]')) e.onchange = () => svg.classList.toggle('hide-' + e.dataset.hide, !e.checked);
  const title = e => $('title', e)?.textContent ?? '';
  const seen = e => !e.classList.contains('off') && e.style.visibility !== 'hidden' && getComputedStyle(e).display !== 'none';
  const told = things.filter(e => $('title', e));
  told.sort((p, q) => p.dataset.t - q.dataset.t);
  $('#find').oninput = e => {
    const words = e.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const t of told) {
      const off = words.some(w => !title(t).toLowerCase().includes(w));
      t.classList.toggle('off', off); shown += !off;
    }
    say(words.length ? `${shown} of ${told.length} shown.` : '');
  };
  const open = e => {
    for (const s of $$('.sel', svg)) s.classList.remove('sel');
    e.classList.add('sel');
    const box = $('#detail'); box.replaceChildren();
    const line = text => { const p = document.createElement('p'); p.textContent = text; box.append(p); };
    line(title(e));
    const of = e.dataset.o;
    if (of === undefined) return;
    const same = told.filter(t => t.dataset.o === of);
    const list = document.createElement('ol');
    for (const t of same.slice(0, 200)) {
      const item = document.createElement('li'); item.textContent = title(t);
      if (t === e) item.setAttribute('aria-current', 'true');
      list.append(item);
    }
    line(`All of this message (${same.length}):`); box.append(list);
  };
  svg.addEventListener('click', e => { const t = e.target.closest('[data-t]'); if (t && $('title', t)) open(t); });
  const step = by => {
    for (let i = at + by; i >= 0 && i < told.length; i += by) if (seen(told[i])) { at = i; open(told[i]); say(title(told[i])); return; }
    say('No more.');
  };
  const keys = { '+': () => zoom(.5), '=': () => zoom(.5), '-': () => zoom(2), '0': () => look(0, end), ArrowLeft: () => pan(-.25), ArrowRight: () => pan(.25), n: () => step(1), p: () => step(-1) };
  $('#frame').addEventListener('keydown', e => {
    if (e.target.id !== 'frame' || e.ctrlKey || e.metaKey || e.altKey || !keys[e.key]) return;
    e.preventDefault(); keys[e.key]();
  });
})();
