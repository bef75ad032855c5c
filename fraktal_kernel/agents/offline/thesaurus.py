"""Which words mean the same, in English and Polish: one concept a line.

A line is ``concept | English | Polish``, and goes on where the next is indented. English words
match in all their forms by their stem, or as they are behind an equals sign; Polish ones by their
beginning where they end in a star. Phrases of several words match as a whole. ``!`` behind a
concept marks an action that must not be overlooked: who asks to delete a picture does not want
one; ``~`` marks an action so general that it tells little.

Nothing here names a capability. The words are those of a workbench at large, so that a plug-in
of tomorrow is found by other words than its author chose.
"""

from __future__ import annotations

TABLE = """
doing | =doing | =robi, =robia
make ~ | make, create, build, produce, generate, prepare, new, set up, compose, give me | zrob*,
    robic, stworz*, tworz*, utworz*, wygener*, gener*, przygot*, zbuduj*, buduj*, nowe, nowy,
    nowa, nowego, zaloz*, wykon*
show ~ | show, tell, display, view, see, let me see | pokaz*, wyswietl*, zobacz*
list ~ | list, enumerate | wypisz*, wylicz*, list*, wymien*
run ~ | run, execute, launch, perform, start up | uruchom*, odpal*, wykonuj*, wykonac, wykonaj,
    wykonan*
go ~ | do, go, =going, get, take | wez*, daj*
draw | draw, render, paint, plot, sketch, depict, visualise, visualize | narys*, rysuj*, rysow*,
    namal*, maluj*, malow*, wyrender*, render*, nakresl*
picture | picture, image, wallpaper, a still, look like, photo, pic, img, photograph, drawing |
    obraz*, obrazek*, zdjeci*, rysun*, grafik*, ilustracj*, wyglada*
poster | poster, print, placard | plakat*, wydruk*, poster*
film | film, movie, video, clip, animation, animate, cinema | film*, wideo, video, animacj*,
    animuj*, klip*
zoom | zoom, dive | przybliz*, zblizen*, zoom*
record ~ | record, shoot | nagraj*, nagryw*, nakrec*
train ! | train, fit, learn, teach, training | wytren*, tren*, naucz*, ucz*, uczen*, uczy*
network | network, neural net, neural network, net, nn | siec*, sieci*
classify | classify, classifier, classification, recognise, recognize, tell apart, categorise,
    categorize | klasyfik*, sklasyfik*, rozpozn*, rozroz*
regress | regression, regressor, regress | regres*
cluster | cluster, clustering, group | klaster*, klastr*, grupow*, pogrup*
predict ! | predict, forecast, prognosis, prediction, foresee, outlook, estimate | prognoz*,
    przewid*, oszacuj*
target | target, label, predicted column, goal | cel, celem, celu, docelow*, etykiet*
column | column, field | kolumn*, pole, pola
deploy ! | deploy, serve, publish, deployment, roll out, host | wdroz*, wdraz*, wdroze*, opublik*,
    udostepn*, serw*
model | model | model*
environment | environment, env, venv, virtualenv | srodowisk*
package | package, library, dependency | pakiet*, bibliotek*, zaleznosc*
process | process, workflow | proces*
analyse ! | analyse, analyze, analysis, analytics, inspect, examine, investigate, discover, mine |
    analiz*, przeanaliz*, zanaliz*, zbad*, badaj*, odkryj*
bottleneck | bottleneck | waskie gard*, wask*
simulate ! | simulate, simulation | symul*, zasymul*
event | event | zdarze*
log | log, logfile, journal, protocol | log, logi, logu, logow, dziennik*, protokol*
say ! | say, speak, tell aloud, read aloud, read out, pronounce, utter, talk, aloud, announce |
    powiedz*, mow*, przeczyt*, wymow*, na glos, glosno, oglos*
transcribe ! | transcribe, dictate, transcription | przepis*, transkryb*, transkryp*
voice | voice, speaker | glos*, lektor*
speech | speech, sound, audio | mow*, dzwiek*, audio
solar | solar, sun, photovoltaic, pv, sunlight | slonecz*, slonc*, fotowolt*
power | power, energy, electricity, current | moc, mocy, moca, energi*, prad*
wind | wind | wiatr*, wiatrow*
peak | peak, rated, maximum | szczyt*, maks*, znamion*
plant | plant, installation, array | instalacj*, elektrowni*
water ! | water, irrigate, sprinkle | podlej*, podlew*, nawodn*
garden | garden, flowerbed | ogrod*, ogrodk*
heat ! | heat, warm | ogrzej*, ogrzew*, podgrzej*
temperature | temperature | temperatur*
measure ! | measure, meter, measurement | zmierz*, pomiar*, mierz*
search ! | search, find, look for, look up | szukaj*, znajdz*, wyszuk*
sort ! | sort, order by, arrange | posort*, sortow*, uporzadk*
count | count, tally | policz*, liczb*
compute ! | compute, calculate, evaluate, calculation | oblicz*, wylicz*, obliczen*, policz*
compare ! | compare, comparison, benchmark | porown*, porownan*
convert ! | convert, transform, conversion | przeksztalc*, konwert*, przekonwert*, zamien*
compress ! | compress, zip, shrink, pack | spakuj*, skompres*, kompres*, zmniejsz*
resize ! | resize, scale | przeskal*, skaluj*
upload ! | upload | wgraj*, przeslij*
download | download, fetch | pobierz*, sciagnij*
backup ! | backup, back up, archive | kopi* zapasow*, zarchiwiz*, archiwiz*
share ! | share | udostepn*, podziel*
clone ! | clone, copy, duplicate | sklonuj*, klonuj*, skopiuj*, kopiuj*
export | export | eksport*, wyeksport*
import ! | import, load | importuj*, zaimport*, wczyt*, zaladuj*
save | save, store, keep, write to | zapisz*, zapisa*, zachow*
test ! | test, validate, verify, check | przetest*, testuj*, sprawdz*, zweryf*
explain ! | explain, describe | wyjasn*, objasn*, opisz*
detect ! | detect, recognise, recognize, recognition | wykryj*, wykryw*, rozpozn*
optimise ! | optimise, optimize, tune, improve | optymaliz*, zoptymaliz*, ulepsz*
summarise ! | summarise, summarize, summary | stresc*, podsum*
report | report | raport*, sprawozdan*
schedule ! | schedule, plan | zaplan*, planuj*, harmonogram*
delete ! | delete, remove, erase, wipe, destroy, drop | usun*, skasuj*, kasuj*, wymaz*
send ! | send, forward, mail, email, e mail, text to | wyslij*, wysyl*, maila, mail, maile, e
    mail*, mejl*
message | message, letter, =note, =notes | wiadomos*, list do
write ! | write, author | napisz*, pisz*
translate ! | translate, translation | przetlumacz*, tlumacz*
order_goods ! | order, book a, book me, book us, reserve, purchase, buy | zamow*, zarezerw*, kup,
    kupi*, kupuj*
pay ! | pay, transfer, withdraw | zaplac*, przelej*, przelew*
phone ! | call, phone, dial | zadzwon*, dzwon*
play ! | play, listen | zagraj*, puszcz*, posluch*, pusc*
remind ! | remind, wake me | przypomn*, obudz*
install ! | install, uninstall | zainstal*, instaluj*, odinstal*
format_disk ! | reformat, format my, partition | sformat*
hack ! | hack, steal, crack, ignore, forget, disregard, pretend | wlam*, ukradn*, zignor*,
    ignoruj*, zapomn*, udaw*
shutdown ! | shut down, shutdown, reboot, power off, turn off | wylacz*, zamknij*
tell_joke ! | joke | dowcip*, kawal, zart*
open_thing ~ | open | otworz*
weather | weather, rain, snow | pogod*, deszcz*, snieg*
job | job, task, run number | zadan*, prac*, job*
result | result, output, outcome, came out, product | wynik*, rezultat*, efekt*
artifact | artifact, artefact | artefakt*
state | state, status, progress, how far, how much longer, how long until, condition |
    stan, stanie, stanu, status*, postep*, jak idzie, potrwa*, ile jeszcze, jak dlugo jeszcze
failed | failed, fail, failure, error, crash, broke, broken, unsuccessful, went wrong, go wrong |
    nie powiodl*, nie powiod*, nieudan*, nie udal*, padl*, blad, bled*, bledow, zawiod*, wywalil*,
    nie wyszl*, poszlo nie tak, nie tak, zakonczyl* bled*, wysypal*
succeeded | =succeeded, =succeed, =succeeds, success, successful, =finished, =done, =completed,
    =ended | udan*, udal*, sukces*, powodzen*, powiodl*, skonczon*, zakoncz*, skoncz*, ukoncz*,
    gotow*
running | =running, going on, are you doing, busy, active, in progress, under way, currently run |
    dziala, dzialaja, uruchomion*, wykonuje, wykonuja, trwa, trwaja, w toku, robisz, dzieje sie,
    liczy, licza, oblicza, biezac*, aktywn*
queued | queued, queue, pending, backlog | kolejk*, kolejc*, zakolejk*
waiting | waiting, wait | czeka*, oczek*
cancelled | =cancelled, =canceled, =aborted, =stopped, =killed | anulowan*, przerwan*, zatrzyman*
cancel ! | cancel, abort, stop, kill, terminate, halt | anuluj*, przerwij*, zatrzym*, zabij*,
    stop, odwolaj*, przestan*
retry ! | retry, restart, rerun, run again, try again, redo, try | ponow*, powtorz*, sprobuj*,
    wznow*, zrestart*
answer ! | answer, reply, respond, say yes, say no | odpowiedz, odpowiada*, odpowiedzi
question | question | pytan*
again | again, rerun, redo, once more, anew, repeat | powtorz*, jeszcze raz, ponownie, znowu,
    znow, na nowo
last | last, latest, most recent, newest, recent, previous | ostatni*, najnowsz*, poprzedni*
how_many | how many, how much, number of | ile, ilu, jak wiele, liczba
what | what | co
which | which | jaki*, jaka, jakie, ktor*, jakich
why | why, what for, how come | dlaczego, czemu, z jakiego powodu
where | where | gdzie
how_to | help me with, help with, how do i, how can i, how to, how does, how would i | jak dziala,
    jak zrobic, jak moge, jak sie, jak uruchomic, jak wykonac, jak
about | about, what does, what is, information on, details, parameters of, explain | do czego,
    opowiedz o, co to, o czym, szczegol*
ability | can you do, can i do, able to do, you can do, capable, what do you do, capability,
    ability, feature, skill, command | potraf*, umiesz, umie, umiej*, mozesz zrobic, moge robic,
    moge tu robic, moge zrobic, moge tu zrobic, mozna tu robic, mozna zrobic, mozna robic,
    mozliwos*, zdolnos*, funkcj*, polecen*, komend*
available | available, there are, are there, exist, offered, support, known, know, supported |
    dostepn*, znasz, istniej*, obslug*
choice | choice, choose, pick, select, option, value | wybor*, wybier*, wybrac, opcj*, wartosc*,
    mozliw*
parameter | parameter, argument, =setting, =settings | parametr*, argument*, ustawien*
health | health, healthy, everything ok, everything all right, everything alright, everything
    okay, everything working, everything fine, all fine, all right | zdrow*, wszystko dziala,
    wszystko w porzadku, wszystko ok, wszystko gra
workbench | workbench | warsztat*
today | today | dzis*, dzisiaj*
yesterday | yesterday | wczoraj*
tomorrow | tomorrow | jutr*, jutro
since | since, starting, from then on | od, poczawszy, zaczynajac
day | day, date | dzien, dni, dnia, dat*
start | start, begin, beginning, starting, first | start*, poczat*, zaczyn*, zacz*, rozpocz*
end | end, until, finish | koniec, konc*, az do
width | width, wide, broad, across | szerok*
height | height, high, tall | wysok*
length | length, long, duration, =lasting, last for | dlugos*, dlug*, trwa*, czas trwan*
size | size, resolution, dimension, large, big | rozmiar*, rozdzielcz*, wymiar*, wielk*
depth | depth, deep | glebok*, gleb*
pixel | pixel, px | piksel*, pikseli
distance | distance | odleglos*
period | period | okres*
angle | angle | kat, kata, katy, katow
triangle | triangle | trojkat*
stripe | stripe | pask*, prazk*
derivative | derivative | pochodn*
interior | interior, inside | wnetrz*, wewnetrz*
iteration | iteration, iter, step | iteracj*, krok*
palette | palette, colour, color, colouring, coloring, colour scheme | palet*, kolor*, barw*
scene | scene, place, location, motif | scen*, miejsc*
fractal | fractal | fraktal*
antialias | antialias, antialiasing, anti aliasing, anti alias, supersampling, aa, =smoothing |
    antyaliasing*, antialias*, wygladz*
quality | quality | jakos*
format | format, file type | format*
codec | codec, encoding, encoder | kodek*, kodowan*
gamut | gamut, colour space, color space | gamut*, przestrzen barw*
bits | bit, bits | bit*, bitow*
fps | fps, frames a second, frames per second, frame rate, hz refresh | klatek na sekunde, klatki
    na sekunde, klatek*, klatk*
turn | turn, rotation, revolution, spin | obrot*, obroc*
pass | pass | przejsc*
easing | easing | wygladzanie ruchu, easing*, plynnosc*
key_frame | key | klucz*
epoch | epoch, round | epok*, epoch*
rate | rate | wspolczynnik*, tempo
learning | learning | uczen*
speed | speed, pace, fast, tempo | predkos*, szybkos*, szybko*, tempo
port | port | port*
replica | replica, copy, instance | replik*, kopi*, instancj*
method | method, algorithm, approach | metod*, algorytm*
threshold | threshold, limit, cutoff | prog, progu, progiem, limit*
file | file, path, table, dataset, data set, document, spreadsheet, data | plik*, sciezk*, zbior
    danych, tabel*, dane, danych, danymi
folder | folder, directory, dir | folder*, katalog*
notebook | notebook, ipynb | notatnik*, notebook*, zeszyt*
name | name, called, named, titled | nazw*, imie, nazwan*, o nazwie
text | text, sentence, words, phrase | tekst*, zdani*, slow*
language | language | jezyk*
number | number, nr | numer*, nr
kind | kind, type, sort of | rodzaj*, typ*
user | user, person | uzytkown*, osob*
gpu | gpu, graphics card, cuda | gpu, kart* graficzn*, karci* graficzn*, cuda
table | table, csv | tabel*, csv
folder_out | into, to folder | do folderu
whole | whole, full, entire, complete, mandelbrot, all of | caly, cala, cale, calego, pelny,
    pelna, pelne, pelen, mandelbrot*
set_of | set | zbior*
seahorse | seahorse, sea horse | konik* morsk*, konik*
valley | valley, vale | dolin*
tail | tail | ogon*
elephant | elephant | slon, slon*
satellite | satellite, moon orbiting | satelit*
crossroads | crossroads, crossing, intersection | skrzyzow*, rozdroz*
starfish | starfish, sea star | rozgwiazd*
lightning | lightning, thunderbolt, flash | blyskaw*, piorun*
dragon | dragon | smok*, smocz*
galaxy | galaxy, galaxies | galaktyk*
pearl | pearl | perl*, perel*
rabbit | rabbit, bunny | krolik*
burning | burning | plonac*
ship | ship | statek*, statk*, okret*
fleet | armada, fleet | armad*, flot*
celtic | celtic | celtyck*
crown | crown | koron*
clover | clover, shamrock, trefoil | koniczyn*
shark | shark | rekin*
fin | fin | pletw*
phoenix | phoenix | feniks*
flower | flower, blossom | kwiat*, kwiatk*
gate | gate | bram*
magnet | magnet | magnes*, magnet*
ring | ring | pierscie*
silk | silk | jedwab*
bronze | bronze | braz, brazu
ray | ray, beam | promien*, promieni*
deep | deep | glebok*
wheel | wheel | kolo, kola, kole
flake | flake, snowflake | platek*, platk*, snieznk*
fire | fire, fiery, flame, ember, blaze, glowing | ogien, ogni*, plomien*, plomien, zar, zarz*,
    zaru
ice | ice, icy, glacier, frost, frozen | lod, lodu, lodow*, mroz*, lodowc*
aurora | aurora, northern lights, polar light | zorz*, aurora*
grey | grey, gray, graphite, greyscale, grayscale, black and white, monochrome | szar*, szarosc*,
    grafit*, czarno bial*
dusk | dusk, twilight, evening, sunset | zmierzch*, zmrok*, wieczorn*
lagoon | lagoon, sea, ocean, turquoise | lagun*, mors*, ocean*, turkus*
moonstone | moonstone | kamien* ksiezyc*, ksiezyc*
porcelain | porcelain, china ware | porcelan*
beacon | beacon, lighthouse | latarn*
classic | classic, classical | klasycz*
julia | julia | juli*
english | english, en | angielsk*, po angielsku, en
polish | polish, pl | polsk*, po polsku, pl
german | german, de | niemieck*, po niemiecku, de
linear | linear | liniow*
gentle | gentle, soft | lagodn*
smooth | smooth | gladk*, plynn*
lawn | lawn, grass | trawnik*, traw*
rose | rose | roze, rozy, roz
kitchen | kitchen | kuchni*
room | room | pokoj*, pomieszczen*
lamp | lamp, light | lamp*, swiatl*
switch ! | switch, turn on, switch on, enable, toggle | przelacz*, zapal*, zgas*, wlacz*
case | case | przypad*
computer | computer, machine, server, pc, laptop | komputer*, maszyn*
happen | happen | dzieje, stalo, zaszlo
brightness | brightness, bright | jasnos*
chart | chart, graph, diagram | wykres*, diagram*
how | how | jak
heuristic | heuristic | heurysty*
inductive | inductive | indukcyj*
alpha | alpha | alfa
random | random | losow*
database | database | baza danych, bazy danych, baza
watch ! | watch, monitor, observe, supervise, track | obserwuj*, monitor*, sledz*, pilnuj*,
    nadzor*
sensor | sensor, probe, detector | czujnik*, sensor*
clean ! | clean, tidy, cleanse | wyczysc*, czysc*, oczysc*
split ! | split, divide, decompose | podziel*, rozloz*, rozdziel*
merge ! | merge, join, combine, concatenate | polacz*, scal*, zlacz*
factor | factor | czynnik*
yield | yield | uzysk*, plon*
latitude | latitude | szerokosc* geograficzn*
longitude | longitude | dlugosc* geograficzn*
tilt | tilt, slope, inclination | nachylen*, pochylen*
panel | panel, module | panel*, modul*
battery | battery, accumulator | bateri*, akumulator*
price | price | cena, ceny, cene, cen
cost | cost, expense | koszt*
time | time | czas, czasu, czasem
month | month | miesiac*, miesiec*
year | year, yearly, annual | rok, roku, lat, lata, roczn*
hour | hour | godzin*
week | week | tydzien, tygod*
weight | weight, mass | waga, wage, wagi, mas*
noise | noise | szum*, halas*
filter ! | filter | filtr*, odfiltr*, przefiltr*
mean | mean, average | sredni*
sum | sum, total | suma, sume, sumy
matrix | matrix, matrices | macierz*
graph_net | node, vertex | wezel, wezl*, wierzchol*
edge | edge | krawedz*
tree | tree | drzew*
route | route, way, track | tras*, drog*
map | map | map*
city | city, town | miast*
house | house, home, building | dom, domu, domow*, budyn*
car | car, vehicle | samochod*, auto
camera | camera | kamer*
face | face | twarz*
frequency | frequency | czestotliw*
signal | signal | sygnal*
wave | wave | fala, fale, fali
level | level | poziom*
loss | loss | strat*
accuracy | accuracy, precision | dokladnosc*, precyz*
memory | memory, ram | pamiec*
disk | disk, drive | dysk*
processor | processor, cpu, core | procesor*, rdzen*
address | address | adres*
password | password | hasl*
pause ! | pause, suspend | wstrzym*
update ! | update, upgrade, refresh | zaktual*, aktual*, odswiez*
restore ! | restore, recover, undo | przywroc*, odzysk*, cofnij*
rename ! | rename | zmien nazw*
move ! | move | przenies*
encrypt ! | encrypt, decrypt | szyfr*, zaszyfr*, odszyfr*
repair ! | fix, repair, mend | napraw*
close ! | close | zamknij*
read ! | read | czytaj*, odczyt*
alarm | alarm, alert, warning | alarm*, ostrzez*
history | history, record of | histori*
experiment | experiment, trial, attempt | eksperyment*, prob*, doswiadcz*
neuron | neuron, unit | neuron*
layer | layer | warstw*
hidden | hidden | ukryt*
batch | batch | partia, partii, paczk*
worker | worker, agent | agent*, robotnik*, pracownik*
peer | peer, colleague | kolega, kolegi, koledze
project | project | projekt*
workspace | workspace | obszar* robocz*
white | white | bial*
black | black | czarn*
red | red | czerwon*
green | green | zielon*
blue | blue | niebiesk*
yellow | yellow | zolt*
pink | pink | rozow*
brown | brown | brazow*
purple | purple, violet | fiolet*
left_side | left | lewo, lewy, lewa
right_side | right | prawo, prawy, prawa
fast | fast, quickly, rapid | szybk*
slow | slow, slowly | woln*, powoli
thing_yes | yes | tak
thing_no | no | nie
"""

STOP = frozenset(
    """
    a an the of to in on at by for with from into as is are was were be been being am it its this
    that these those there here and or but so then than i me my mine we us our you your he she they
    them please pls kindly can could would will shall should may might must want wants wanted like
    need needs have has had having i'd i'll i'm let lets let's just now right some any something
    anything everything someone way mind kind s t d ll m re ve up out one's be able thanks thank
    moment currently using use uses used got too also very really ok okay yeah well hey
    over via per each while if when who whom whose made more extra much lot did does do don
    each other get teh hte adn taht wiht big large small tiny huge nice beautiful pretty lovely
    good quick short cool
    only also own all every wszystkie wszystkich wszystko wszystkim

    w we z ze na do o od za po przez dla u i oraz a ale lub albo to ten ta te tego tej tym ja ty
    my mi mnie moj moja moje moich sie jest sa byl byla bylo byc czy prosze poprosze chce chcialbym
    chcialabym moge mozesz moglbys moglaby mogl moglabys potrzebuje niech tu tam teraz juz tylko
    tez bardzo pan pani ci ciebie go je jej ich nim nia cos cokolwiek jako sobie jakis jakas
    jakies zostalo zostaly mam masz mamy maja duzy duza duze maly mala male ladny ladna ladne piekny
    piekna piekne
    fajny fajna fajne szybko krotki krotka
    """.split()
)

HELLO = frozenset(
    """
    hello hi hey hiya greetings good morning afternoon evening day night thanks thank thx cheers
    bye goodbye nice great welcome lot
    czesc hej witaj witam siema dzien dobry wieczor dobranoc dzieki dziekuje dziekuj pa bardzo
    serdecznie swietnie super
    """.split()
)
HELP = frozenset(["help", "pomoc", "pomocy", "pomoz", "?"])
#: What only asks, and names nothing.
ASKING = frozenset({"#how_many", "#which", "#what", "#why", "#where", "#how", "#how_to"})
NEGATIONS = frozenset(
    "don't dont not never without no nie bez disable off disabled wylacz won't".split()
)
#: What may stand between a no and what is not wanted.
WISHES = frozenset(
    "want need like a an any the to me chce chcemy potrzebuje zadnego zadnej".split()
)
#: What points back to the sentence before: plainly, or only if nothing else is named.
SAME = frozenset("same again once ponownie samo instead zamiast".split())
POINTING = frozenset("it that but now and only teraz ale tego go niego nim nia a".split())
#: Words of their own that one slip would make another; they are not mended.
DISTINCT = frozenset(
    """
    frame frames point points plane plant stone score scone shape shapes place store stare while
    white world would found sound phone pears pear clove clean clear charm motel modal metal petal
    nodes quite quiet tablet tales trail trait layer later horse house shops sheep swim dance drawn
    drawer prince firms fills firm posted poser sleep seven paste patent pallet planet senate
    sense silent cancer counsel council court mount moment retro replay repay father whether
    fever never lesson lemon coast cost listen store stock steal steel scale scare scarf crowd crow
    dream drama draft drift driver rental vender tender reader leader header
    """.split()
)
#: How a change to what was said before begins.
CHANGES = frozenset("change set use zmien ustaw daj".split())
