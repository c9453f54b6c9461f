'use strict';
// A photo is drawn anew, at most 1600 pixels wide: it travels quickly, and nothing of where it was taken goes along.
const form = document.querySelector('form'), input = document.querySelector('[data-small]');
input?.addEventListener('change', async () => {
  const file = input.files[0];
  if (!file) return;
  form.querySelector('button').disabled = true;
  try {
    const img = await createImageBitmap(file), k = Math.min(1, 1600 / Math.max(img.width, img.height)), c = document.createElement('canvas');
    c.width = Math.round(img.width * k); c.height = Math.round(img.height * k);
    c.getContext('2d').drawImage(img, 0, 0, c.width, c.height);
    const small = await new Promise(done => c.toBlob(done, 'image/jpeg', .8)), list = new DataTransfer();
    list.items.add(new File([small], 'photo.jpg', { type: 'image/jpeg' }));
    input.files = list.files;
  } catch { /* no picture: the machine says so */ }
  form.querySelector('button').disabled = false;
});
