"""One table as real versions of pandas pickled it: columns x, y (float64), d (int64), uuid (str) and still (bool) of four rows.

Made by ``base64.b85encode(zlib.compress(pickle.dumps(table, protocol), 9))``.
"""

PICKLES = {
    ("1.5.3", 3): (
        r"c-nQ8Yg5xe6o!-1qC~ulco!8hpcYY4R1^e6AyRa`6&2$qU7ARm_Dwbe%-9+IAccSF&+wb>Zc`XU_e0+7?%A`?dnPB}+T0oqOEk{A"
        r")rjSnB3fa_6y<bUy+P~$4!w?yS<GshW>?A)cAoG<&Z3Y8alS%BT4qsfOaxVTd9FD#kTqNJcHlel_5s6A!kX_c2h4Wl2?IGdOe(dt"
        r"X5vZ`aGypIT{G;6xz#Y{QQ~p~?ae4d<W#%ZV`)FIcT#uI(SSj)&$M(aV`bOTnTD45T1}YQU(5&-OCvb2xzWHuf<va&R@BAXC=M42"
        r"h1uU?sE4I-9C0=$$2B#6jy3gHs@ZhCGu7Ty`%*Pi9T>+^j$@ANB))JH#zq|Yt{~~MG(o60aGapq$~16-;G~!H+C63FlqZ~=CO9LV"
        r"=+enquL<vu;GBd%PtYUaz1`Rs1a^;>4qe+hT60|Fxa4?U0-{Y~^b%Z_7<~j+wlPeJ(N8e2g>f~-m><D4iE*7E->TtP4DN&(<GA5$"
        r"E@H@3`xG~oI=H3O#cib}3^R^9lBUhdN}9U_Ba-GG!ToKT2a;x#;Ncd{qm;%O!kDBPCwMH2GPtWK6QU?tUD(GY$CSJ(YvtrsPY9;v"
        r"RZj_?am*}Y*8J=9F0oY>=N%d|!w%VsJtJ2PSpN@8Bc9hW*KC`T=qD6fKIWy57X&Y*kK7LsFE5Jps#&B}yjHq~H{P&1oFsk;Z;Ltc"
        r"8goAg@J>{#=%~F=^e7ez$vWN>eDMCw6w$EE3?iQ?*~dB-O>d!)CZ!R_CreWqV_vPnwzBDj)$rNUMSe=)uywcurRJYNbQD;zBXy_#"
        r"8(30vyTUkCmdlIq)E$)bD289hmtwn&SPE!4#&R7&v0H8jL3JgzOG!<12j$ETsKbI7m5n%Y@_ztiTV;I"
    ),
    ("1.5.3", 5): (
        r"c-n<i-D}i95Wn2*`PJe_!D?TM4<e@z2So(ILQ5-x22bdN_)?Zlvbhc2e6ZQj9$3%^YYX${*uT#|!#ABxa+=eM1KF9)?#%ptvojxt"
        r"Um5Gw0=Ej0MWP&sxsl`8h*Tn6eJ-qcQQKee;YU2i5ip)k4Z?c&dXiabGNH?HDl##ZrbJlY(Rq0Ay4jQa2v%Dcu9Kkr?SpWGS6PvS"
        r"2U_yLInixc$*Q!NHQ~vWCJ7Oicx>`CsN%Q@dA{B2%D1gXe{VHwkC$70zts;~J!<u%ZG>T+k91^bg`*4o_$i*9e#Si<`2+AaaWa{_"
        r"`ax1Je$Qgy_kDJP;O(NNYj7o~5^a-=C=E-Ugf5KVqf4HP;`iOEmelpp`Mutvc>ma=T7iDj!J$?!K;bzQYRzF#>y&P=m=JDvYMEAq"
        r"P#7bK>oPYo%(K#(Dzt=E-Gs~ZLiM3T{t0)z0GrHSn}zVaS*XkVKkBkYh|c!uxjjLZ3FxDT^CFb=pU@3__IEkhFWO#1IoRk>-uy3R"
        r"<`26;ExP=77dtePN3t9TqNKjQ#xr@yU%G#e_FEXv?YhGw>UvZg>ai<<dNMD-kT%a6YDYwAhH3{`RV9&oZkuRba|D*Td6`rv4%<6e"
        r"y9kC6+0^0KbGnmTO(!mvFqX;>th9N7K68d7!>eOTx6l|;pVEXntn+E*skEX7zfX{awKRvv2$y)Q#k4l>2(9zOl1EiR{VA;ES_G12"
        r"@U*Og@lSyAbes"
    ),
    ("2.2.3", 3): (
        r"c-nQ8Yg5xe6o!-1qC~ulco!8hpcYY4R1^e6AyRa`6&2$qU7ARm_Dwbe%-9+IAccSF&+wb>Zc`XU_e0+7?%A`?dnPB}+T0oqOEk{A"
        r")rjSnB3fa_6y<bUy+P~$4!w?yS<GshW>?A)cAoG<&Z3Y8alS%BT4qsfOaxVTd9FD#kTqNJcHlel_5s6A!kX_c2h4Wl2?IGdOe(dt"
        r"ysa`<l7Ra(is+hQN6f8;F^>|L8)$Ea86v6L#U4xhfxVNugN_Caf_<i?TNx|6j?Of+#Mf%V&HiFWxL6v&fz6Eu4iX$Pt+t{r)<$u-"
        r"P$<m)7DGKOjpK;3IXSMW@pG)Hzf#Sn>z%3grrMXPnd-nej&dAxTqp5`n=m%wz;^{nm!%0py@BHd-BzZ769gx{oY(FtGp9V^<TSw<"
        r"=|q=K&U#IFe+1_w{CR>N0q^a`z96uBv~=j&&e59VBF81i>k<%c5~G*kvc%{kxU!95N{oJjfh~-yDaQN=u1SpR1o>7CzhZDF%oxWF"
        r"XLAulrrM{tsno$Or7mtOEn%2(+>tbGR#wv7B^Z%3_XzH9(>#zgqXZAPXdb0B&Je~V%{akhS(L$DMVSyq$?C#BCOM|$Raq-1uX;i-"
        r"Ew6e?@Qh<-5wqrB-*<_vvN-S1m>G7+R_qzMV!--;SQ_!Xj=5&vlte?J(DE@aeY_xeDShOAfOvUPq*u)%t>U%PHN5eL)!`)ZOL$w%"
        r"iPxC>L4bFnT17|gg`!EZP)OGCp5TM`Z>ETbWo8ihOvyghv1ob=g)}LRI6hgL${6!%4Yrj{C#;6gmM-#B0*9@`B`7t21)`(CiXEvt"
        r"_2a;jn%fn|sj^&Ngs1MHoJTSII=&R!WyDfI%Q2Sg2#VcuI|!;Pv0X}PqB|&Oc0e5##Heh<iIe{W8Wd&R"
    ),
    ("2.2.3", 5): (
        r"c-n<i-D}i95Wn0d^`nQMaN3vRgUIQ_K@mZ)(9(*a!4vu*zLaH?Y;Hq0A8a<X2Nv|f+QPg!_V4r0@J(lvoaVIRKz3%cJ2SuE?92!6"
        r">x$c}1#T8Ri+DK+b1f#Z=BYrq@|+v~qPD-_!;g53V{lnI(+KO`>q%yW&bTTkDbM&!=n`SLqw?_Jb+ae;F^pOlrjnri?SpWgRaudQ"
        r"2THKOI?-*oomFWupRhVU*+M5F!YYe(o(5GMH!;t*dtLdq)#&f7cH84&tM9k^L955Dezc9?)d@*QW?opn(2t+u+39E8!?8aAXA`H>"
        r">8l?k_2Tyo27cdnPY|44G;|Fv2UVg>k`X7bR7q&V_&vJh*eHJAu5wjg8=v3nEsOJyJ<40qPdYf{=mHduMIqNL2Dwh@2FnRy)GcOO"
        r"5k#&vC$dAPMVM!$(N$;&th@o2=#A<_3;h%BIsrDRoi+^tdb3oR_kR>-iy)ot(}O#lN)ymWFXu!k=s&?5`0n5JaDVZ38qUE+hx6ut"
        r"IlI2s4QkNlzq{O{kvJ0NB;X}=_EnaNL-x}Cv$WrWx3KFTkEriaZpg>B1oFwE03L0gHPnuX(j4UuxK))z_PtG_RLv3G%udX-I<eT^"
        r"!P-SIG|y%h$DY-l+;TRxvA8x=esD{Z7wEgz5M(%YOko!qL~2x;QHymkuPhaY*WmXF5;uk>@fcx+#fr~r^A1-kKP*{P71W^I2&Q--"
        r"XbMluDwzBPdYN@z"
    ),
    ("3.0.3", 3): (
        r"c-m!DTbtB07;bkvixd!00r3P1LO~cs1Xcm}D2FW!5<HB+Qqwj&soUxFZBlnfokzUb8TMcL7r5h2leDwTLN59>$(JwhA<5IpD5qIW"
        r"g}X>4y;0CEb77tN2lfCHUfZ!OE9iC#jMJJ?uVBq2ldQ;SDw<uI(GDwwJD>KV)w@;Ch2xF$gER@n_5wF3vpk7bQx=4Jg^Na%mEFAG"
        r"3{2&2naYF~1?{^*!J=L!WKl-a#Z;B%s-k8VyL@W{Z!Fj$c8}l^?D2ftpYWX__SUJf?B|NjzV?J-u`-P}H=m8LpWuM!Pqu9}b`1wx"
        r"t=7_is+o^(NxT(qF3eh{{X0{|7j<;%@x66CS;td#^y+wa7H><u6GmZ~C^ngJMVdqk$sylT2<;IL6CCj;MtGOtC~xp7ZpggH6_fV~"
        r"KF~~T&E!K~flsFKkp_Q^;J5<MUx)p%f_>bon{DlE<32u-I1%zg3dE#_agyLu4dWESY2MiBm{D2T73BT(ZO>YZb9#K9Myo7#vE_1|"
        r"{XiB;)|smeI<s_a>bcVz;Vi*t<5N~;ELP5(YfmXud0+BghVwW7eo?_3qDk=iSd}ldDi;X8)T%fexL9j)ZyH}|O)e2!9vk`>uIyB1"
        r"Mq)bLT*lX)nWy;1#1L0ajBw4w7}uG^x8V>oTAoSY(elg^%xQV%2^O|pTGV*HBe=2U(#;xCcmcOGqT2*Z+NCS6x#TOC99#K;I}&&G"
        r"R*v7$TeS%8>8-vexGzDL@xXiK!o_TziDpOzbAybn1-JExiyy|q*8Lv`_^G<KvAWOrnR|T8hc>}4{2YH-=!XQ4#>5_LV#@?iG_l48"
        r"0)AO3_iLrxI;e?#g#5axUzSOXsNGP%LMCa7SV_o~ge#$$&(u?bPOBV(6C`{KD4|)0)o6bkVAbQDR$YY_5~**Q<wEvybbY7pupF6h"
        r"t71KZoDBhjqI#XwQG#git{JcB7Yx$$gD#WQ$WSihce4kTvJhAsVBH+OU?rs;f&Ku0w2$cNH0`a4ATD!tVX0(6N<)?k{P|3jVe^0L"
        r"eU=~"
    ),
    ("3.0.3", 5): (
        r"c-n<jTWi!n6i&9;YA;@}P!**5AhP<fQ1GFG*xDAg4W>|^%P>hMJ7IHUGNE0us1L0zj87i>`}_;O^-a%AvNr1l2a<DU=3KvX&V1;8"
        r"{p?s~sp*1dAuU18Y*I;I2%0kZ0uMjJA@r0((t!ZARLk^(T(EweNhUIyl>L-ubif4a&aWqVFnnF_QN5=Y8x@koetDq->KduCA`XTL"
        r"BfeHbX|<45X))>(V;^}Y;sDefiA0|IRTR}W&(^H=`nFor^M*Rj^?XC`H}pY6dkuZG2C8cuA`RuJ(D|xPv;wCmpI{ey?v%2hg6DbL"
        r"KX93!Yf13kj_VwQvNu4Yn7Zs&aU$akbLy5!9B4DHg+jKr;&$|(&+)6hvwPO$vj4FMenWNQRvdisFHzV!3VvJ1z?ab7)TBeTFo8T3"
        r"f{rl6JA@RYgA44v&FA`Nod!b|Y5=Y@YGZ}DH&Vpez)0c!_TB04j%Qq0<Gal<c+<s5@;rl=@6YQ@jx|7w?W(2~Vr6V&w-CXCJS(NB"
        r"0*U(ky1InE8&9rv1RJ&wH3pdNk-=qWqCW3_tIsMTbGnCpXH%?@j~_OW9RkDiWAG8EDcAY4GS06G*fsk8atr;f|Dx}>-L_E)I)q!3"
        r"(-N`+R`z{bGElQ5WBX)FpXt0U)gAL@+CrQ_;LH4R3+)yDWCB+HjIU{k`1%;2E^c1c$sb_SBj7vAsj4{CjVa?K8Ka<_Oi#C089NcW"
        r"pWUU|fVE=aZ#}I<g~U22r<8dCuA>=-jBPZTsjfq?`uJ+-m?QIQs2P$nNlg-a=$lH3Z^I$B2Z<6oFzij5B>8?x!m7ZLp^}k=`V8NN"
        r"ld|&rKLJItsh|"
    ),
}
