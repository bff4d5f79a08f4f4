"""Codes of languages as sources declare them (``en-US``, ``eng``, ``zh_Hans``), in the form that documents have.

Documents name a language as the identifier does (``classifiers/language.py``): by ISO 639-1 code if there is one, else
by ISO 639-3 code. An individual language that stands for its macrolanguage (``cmn`` for Chinese, ``arb`` for Arabic)
has the code of the latter. Sources: ISO 639 and the aliases of Unicode CLDR.
"""

from __future__ import annotations

import re
from functools import lru_cache

ISO_639_1 = """
aa=aar ab=abk ae=ave af=afr ak=aka,fat am=amh an=arg ar=ara,arb as=asm av=ava ay=aym,ayr az=aze,azj ba=bak be=bel
bg=bul bh=bih bi=bis bm=bam bn=ben bo=bod,tib br=bre bs=bos ca=cat ce=che ch=cha co=cos cr=cre,cwd cs=ces,cze cu=chu
cv=chv cy=cym,wel da=dan de=deu,ger dv=div dz=dzo ee=ewe el=ell,gre en=eng eo=epo es=spa et=ekk,est eu=baq,eus
fa=fas,per,pes,prs ff=fuc,ful fi=fin fj=fij fo=fao fr=fra,fre fy=fry ga=gle gd=gla gl=glg gn=grn,gug gu=guj gv=glv
ha=hau he=heb,iw hi=hin ho=hmo hr=hrv,scr ht=hat hu=hun hy=arm,hye hz=her ia=ina id=in,ind ie=ile ig=ibo ii=iii
ik=ipk io=ido is=ice,isl it=ita iu=ike,iku ja=jpn jv=jav,jw ka=geo,kat kg=kng,kon ki=kik kj=kua kk=kaz kl=kal km=khm
kn=kan ko=kor kr=kau,knc ks=kas ku=kmr,kur kv=kom,kpv kw=cor ky=kir la=lat lb=ltz lg=lug li=lim ln=lin lo=lao lt=lit
lu=lub lv=lav,lvs mg=mlg,plt mh=mah mi=mao,mri mk=mac,mkd ml=mal mn=khk,mon mr=mar ms=may,msa,zsm mt=mlt my=bur,mya
na=nau nd=nde ne=nep,npi ng=ndo nl=dut,nld nn=nno no=nb,nob,nor nr=nbl nv=nav ny=nya oc=oci oj=ojg,oji om=gaz,orm
or=ori,ory os=oss pa=pan pi=pli pl=pol ps=pbu,pus pt=por qu=que,quz rm=roh rn=run ro=mo,mol,ron,rum ru=rus rw=kin
sa=san sc=src,srd sd=snd se=sme sg=sag sh=hbs si=sin sk=slk,slo sl=slv sm=smo sn=sna so=som sq=alb,sqi
sr=cnr,scc,srp ss=ssw st=sot su=sun sv=swe sw=swa,swc,swh ta=tam te=tel tg=tgk th=tha ti=tir tk=tuk tl=fil,tgl
tn=tsn to=ton tr=tur ts=tso tt=tat tw=twi ty=tah ug=uig uk=ukr ur=urd uz=uzb,uzn ve=ven vi=vie vo=vol wa=wln wo=wol
xh=xho yi=ji,ydd,yid yo=yor za=zha,zyb zh=chi,cmn,zho zu=zul
"""
"""Each ISO 639-1 code with its equivalents: ISO 639-2 and 639-3 codes, and former codes such as ``iw``."""

ISO_639_3 = """
ace ach ada ady aeb afh agq ain akk akz ale aln alt ang ann anp arc arn aro arp arq ars arw ary arz asa ase ast atj
avk awa azb bal ban bar bas bax bbc bbj bcl bej bem bew bez bfd bfq bgc bgn bho bik bin bjn bkm bla blo blt bpy bqi
bra brh brx bss bua bug bum bxr byn byv cad car cay cbk cch ccp ceb cgg chb chg chk chm chn cho chp chr chy cic ckb
clc cop cps crg crh crj crk crl crm crr crs csb csw dak dar dav del den dgr din diq dje doi dsb dtp dty dua dum dyo
dyu dzg ebu efi egl egy eka elx eml enm esu ewo ext fan fit fon frc frm fro frp frr frs fur gaa gag gan gay gba gbz
gez gil glk gmh goh gom gon gor got grb grc guc gur guz gwi hai hak haw hax hif hil hit hmn hnj hsb hsn hup hur iba
ibb ikt ilo inh izh jam jbo jgo jmc jpr jrb jut kaa kab kac kaj kam kaw kbd kbl kcg kde kea ken kfo kgp kha kho khq
khw kiu kkj kln kmb koi kok kos kpe krc kri krj krl kru ksb ksf ksh kum kut kwk kxv lad lag lah lam lez lfn lij lil
liv lkt lmo lol lou loz lrc lsm ltg lua lui lun luo lus luy lzh lzz mad maf mag mai mak man mas mde mdf mdr men mer
mfe mga mgh mgo mhr mic min mnc mni moe moh mos mrj mua mus mwl mwr mwv mye myv mzn nah nan nap naq nds new nia niu
njo nmg nnh nog non nov nqo nso nus nwc nym nyn nyo nzi ojb ojc ojs ojw oka osa ota pag pal pam pap pau pcd pcm pdc
pdt peo pfl phn pis pms pnb pnt pon pqm prg pro quc qug raj rap rar rgn rhg rif rof rom rtm rue rug rup rwk sad sah
sam saq sas sat saz sba sbp scn sco sdc sdh see seh sei sel ses sga sgs shi shn shu sid slh sli sly sma smj smn sms
snk sog srn srr ssy stq str suk sus sux swb syc syr szl tce tcy tem teo ter tet tgx tht tig tiv tkl tkr tlh tli tly
tmh tog tok tpi tru trv trw tsd tsi ttm ttt tum tvl twq tyv tzm udm uga umb vai vec vep vls vmf vmw vot vro vun wae
wal war was wbp wuu xal xmf xnr xog yao yap yav ybb yrl yue zap zbl zea zen zgh zun zza
"""
"""Codes of the languages without an ISO 639-1 code that CLDR names in English or the identifier knows."""

_TAG = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{3}))?(?:[-_][a-z0-9]{2,8})*(?:[-_]x(?:[-_][a-z0-9]{1,8})+)?")
"""A language tag in lower case (BCP 47, or with underscores): language, extended language (``zh-yue``), the rest."""


def _language_codes() -> dict[str, str]:
    entries = [entry.partition("=") for entry in ISO_639_1.split()]
    codes = {equivalent: code for code, _, others in entries for equivalent in (code, *others.split(","))}
    # ``als`` is not listed: it is Alemannic as a label of the identifier, and Tosk Albanian in ISO 639-3.
    return codes | {code: code for code in ISO_639_3.split()} | {"gsw": "als"}


LANGUAGE_CODES = _language_codes()
"""The code that documents have, by each code that a source may declare."""


@lru_cache(maxsize=4096)
def normalise_language(tag: str) -> str | None:
    """Return the code of a language tag's language; None if the tag names none, or one that is not known.

    Scripts, regions and variants are ignored: ``zh-Hant-HK`` is ``zh``, ``eng_Latn`` is ``en``.
    """
    match = _TAG.fullmatch(tag.strip().lower())
    if match is None:
        return None
    language, extended = match.groups()
    return LANGUAGE_CODES.get(extended or language)
